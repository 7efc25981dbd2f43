package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/gkpow/gkpow/client/gktinc"
)

// parseFields reads the documented fields, and returns a function that reports which are
// present. Unlike encoding/json it matches names by case, and it requires the documented
// types.
func parseFields(data []byte) (v gktinc.Validation, has func(name string) bool, err error) {
	var ip *netip.Addr
	fields := map[string]any{
		"gktinc_solution":          &v.Solution,
		"client_ip":                &ip,
		"url":                      &v.URL,
		"once":                     &v.Once,
		"form_payload_size":        &v.FormPayloadSize,
		"form_input_element_value": &v.FormInputElementValue,
		"challenge_level":          &v.ChallengeLevel,
		"user_agent":               &v.UserAgent,
		"sec_ch_ua":                &v.SecCHUA,
		"sec_ch_ua_mobile":         &v.SecCHUAMobile,
		"sec_ch_ua_platform":       &v.SecCHUAPlatform,
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return v, nil, errors.New("the validation is empty: it must be a JSON object")
	}
	object, err := strictObject(data)
	if err != nil {
		return v, nil, fmt.Errorf("the validation is not a JSON object: %w", err)
	}
	for name, value := range object {
		to, known := fields[name]
		switch {
		case slices.Contains([]string{"agent_id", "salt", "time"}, name):
			return v, nil, fmt.Errorf("the validation has the field %s, which gkpow fills in: leave it out", name)
		case !known:
			return v, nil, fmt.Errorf("the validation has an unknown field, %.40q", name)
		}
		if err := json.Unmarshal(value, to); err != nil {
			return v, nil, fmt.Errorf("the validation's %s must be %s", name, typeOf(to))
		}
	}
	if !isText(data) {
		return v, nil, fmt.Errorf("the validation has an escape of half a character")
	}
	switch {
	case v.FormPayloadSize < 0:
		return v, nil, fmt.Errorf("the validation has no form_payload_size of 0 or more")
	case v.ChallengeLevel < 0:
		return v, nil, fmt.Errorf("the validation's challenge_level is negative")
	}
	if ip != nil {
		v.ClientIP = *ip
	}
	return v, func(name string) bool { return string(object[name]) != "null" && len(object[name]) > 0 }, nil
}

// typeOf names the JSON values that a field takes.
func typeOf(field any) string {
	switch field.(type) {
	case **netip.Addr:
		return "an IP address in a string"
	case *int:
		return "a whole number"
	}
	return "a string"
}

// strictObject decodes a JSON object. It returns an error where encoding/json would choose one of
// several fields with the same name, or change text that is not UTF-8. Otherwise GKTinc could judge
// another value than the one that the program means.
func strictObject(data []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	err := json.Unmarshal(data, &object)
	if wrong := new(json.UnmarshalTypeError); errors.As(err, &wrong) {
		return nil, fmt.Errorf("it is a JSON %s", wrong.Value)
	}
	if err != nil {
		return nil, err
	}
	if object == nil || !utf8.Valid(data) {
		return nil, errors.New("it is null or not UTF-8")
	}
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(data))
	_, err = d.Token() // the opening brace
	for err == nil && d.More() {
		var name json.Token
		if name, err = d.Token(); err == nil && seen[name.(string)] {
			return nil, fmt.Errorf("the field %.40q is repeated", name)
		}
		if err == nil {
			seen[name.(string)] = true
			err = d.Decode(new(json.RawMessage))
		}
	}
	return object, err
}
