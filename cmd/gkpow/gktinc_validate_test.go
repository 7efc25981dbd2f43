package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A form without the monitored field is refused, as by the guard, unless the page has none.
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
