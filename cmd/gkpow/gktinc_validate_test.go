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

// A description that programs could read differently is an error.
func TestParseValidationStrict(t *testing.T) {
	const rest = `"client_ip":"192.0.2.1","url":"example.com/login","once":"o","form_payload_size":1`
	for form, says := range map[string]string{
		`{` + rest + `,"form_input_element_value":"admin","form_input_element_value":"bob"}`:  `"form_input_element_value" is repeated`,
		`{` + rest + `,"form_input_element_value":"bob","form_input_element_valu\u0065":"x"}`: `"form_input_element_value" is repeated`,
		`{` + rest + `,"form_input_element_value":"b` + "\xf6" + `b"}`:                        "not UTF-8",
		`{` + rest + `,"form_input_element_value":"\ud800admin"}`:                             "half a character",
		`{` + rest + `,"form_input_element_value":"\ud800admin\ufffd"}`:                       "half a character",
		`{` + rest + `,"form_input_element_value":{"form_input_element_value":"bob"}}`:        "form_input_element_value",
		`{` + rest + `,"form_input_element_value":1}`:                                         "form_input_element_value",
		`{` + rest + `,"form_input_element_value":"bob"} {}`:                                  "after top-level value",
		`{` + rest + `,"form_input_element_value":"bob","Gktinc_Solution":"AAAA"}`:            "unknown field",
		`null`:                                   "null",
		`[]`:                                     "not a JSON object",
		`{"form_payload_size":1.5,` + rest + `}`: "repeated",
	} {
		_, err := parseValidation([]byte(form), false)
		require.ErrorContains(t, err, says, form)
	}
	for value, want := range map[string]string{`"\ufffdx"`: "\ufffdx", "\"\ufffd\"": "\ufffd", `"\ud83d\ude00"`: "😀"} {
		v, err := parseValidation([]byte(`{`+rest+`,"form_input_element_value":`+value+`}`), false)
		require.NoError(t, err)
		require.Equal(t, want, v.FormInputElementValue)
	}
}
