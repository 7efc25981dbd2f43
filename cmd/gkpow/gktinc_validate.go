package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gkpow/gkpow/client/gktinc"
)

func newGKTincValidate(env environment) *cobra.Command {
	var f gktincFlags
	var optional bool
	cmd := &cobra.Command{
		Use:   "validate [FILE | -]",
		Short: "Ask whether to accept a form",
		Long: `Ask whether to accept a form that a visitor has submitted (POST
validate_challenge). The file, or standard input, contains a JSON object with the
documented fields, except agent_id, salt and time, which gkpow fills in:

  {"gktinc_solution":"BASE64...", "client_ip":"203.0.113.10",
   "url":"example.com/wp-login.php", "once":"SESSION_ID", "form_payload_size":123,
   "form_input_element_value":"username", "challenge_level":3}

These fields are optional: challenge_level (default 3); the visitor's headers
user_agent, sec_ch_ua, sec_ch_ua_mobile and sec_ch_ua_platform; and gktinc_solution,
without which the policy decides. The exit code is the verdict: 0 to accept the form,
7 to reject it.

` + gktincHelp,
		Args: between(0, 1),
		RunE: actionOn(func(ctx context.Context, args []string) error {
			return gktincValidate(ctx, env, f, append(args, "-")[0], optional)
		}),
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&optional, "field-optional", false, "do not require form_input_element_value, for a page whose form may lack the monitored field")
	return cmd
}

func gktincValidate(ctx context.Context, env environment, f gktincFlags, file string, optional bool) error {
	ctx, cancel, err := f.withTimeout(ctx)
	if err != nil {
		return err
	}
	defer cancel()
	data, err := readLimited(ctx, file, env.stdin)
	if err != nil {
		return &usageError{err}
	}
	form, err := parseValidation(data, optional)
	if err != nil {
		return &usageError{err}
	}
	return f.ask(ctx, env, func(ctx context.Context, c *gktinc.Client) (gktincAnswers, error) {
		verdict, err := c.Validate(ctx, form)
		return gktincAnswers{verdict: verdict, text: "ok", json: newGKTincVerdictJSON(verdict)}, err
	})
}

// parseValidation reads the documented payload, except the fields that the client fills in. Unless
// optional is set, it requires the monitored field: a visitor could leave that out, so that GKTinc
// judges the form without a name.
func parseValidation(data []byte, optional bool) (gktinc.Validation, error) {
	v, has, err := parseFields(data)
	if err != nil {
		return v, err
	}
	_, err = gktinc.PageURL(v.URL)
	switch {
	case !v.ClientIP.IsValid():
		return v, fmt.Errorf("the validation has no client_ip")
	case err != nil:
		return v, fmt.Errorf("the validation's url: %w", err)
	case v.Once == "":
		return v, fmt.Errorf("the validation has no once")
	case !has("form_payload_size"):
		return v, fmt.Errorf("the validation has no form_payload_size of 0 or more")
	case !has("form_input_element_value") && !optional:
		return v, fmt.Errorf("the validation has no form_input_element_value: reject a form without the monitored field, or pass --field-optional if the page has no such field")
	}
	return v, nil
}

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
			return v, nil, fmt.Errorf("the validation's %s: %w", name, err)
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

// strictObject decodes a JSON object. It returns an error where encoding/json would choose one of
// several fields with the same name, or change text that is not UTF-8. Otherwise GKTinc could judge
// another value than the one that the program means.
func strictObject(data []byte) (map[string]json.RawMessage, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, err
	}
	if object == nil || !utf8.Valid(data) {
		return nil, errors.New("it is null or not UTF-8")
	}
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(data))
	_, err := d.Token() // the opening brace
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
