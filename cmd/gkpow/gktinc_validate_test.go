package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Like the guard, gkpow gktinc validate rejects a form without the monitored field, unless
// the page has no such field.
func TestParseValidationField(t *testing.T) {
	const rest = `"client_ip":"192.0.2.1","url":"example.com/login","once":"o","form_payload_size":1`
	for _, form := range []string{`{` + rest + `}`, `{` + rest + `,"form_input_element_value":null}`} {
		_, err := parseValidation([]byte(form), false)
		require.ErrorContains(t, err, "form_input_element_value")
		_, err = parseValidation([]byte(form), true)
		require.NoError(t, err)
	}
	v, err := parseValidation([]byte(`{`+rest+`,"form_input_element_value":""}`), false)
	require.NoError(t, err)
	require.Empty(t, v.FormInputElementValue)
}
