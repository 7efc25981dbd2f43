package main

import (
	"context"
	"fmt"

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
			return runGKTincValidate(ctx, env, f, append(args, "-")[0], optional)
		}),
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&optional, "field-optional", false, "do not require form_input_element_value, for a page whose form may lack the monitored field")
	return cmd
}

func runGKTincValidate(ctx context.Context, env environment, f gktincFlags, file string, optional bool) error {
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
