package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// groupError rewords cobra's errors about combinations of flags, which name the flags without
// dashes and in terms of groups.
func groupError(err error) error {
	text := err.Error()
	list := func(names, last string) string {
		flags := strings.Fields(strings.NewReplacer(`"`, "", ",", "").Replace(names))
		for i := range flags {
			flags[i] = "--" + flags[i]
		}
		if n := len(flags) - 1; n > 0 {
			return strings.Join(flags[:n], ", ") + " " + last + " " + flags[n]
		}
		return strings.Join(flags, "")
	}
	if rest, ok := strings.CutPrefix(text, "at least one of the flags in the group ["); ok {
		names, _, _ := strings.Cut(rest, "]")
		return errors.New("set " + list(names, "or"))
	}
	if _, rest, ok := strings.Cut(text, "] are set none of the others can be; ["); ok {
		names, _, _ := strings.Cut(rest, "]")
		return fmt.Errorf("%s cannot be used together", list(names, "and"))
	}
	if rest, ok := strings.CutPrefix(text, "required flag(s) "); ok {
		names, _ := strings.CutSuffix(rest, " not set")
		return errors.New("set " + list(names, "and"))
	}
	return err
}

// flagError says what values a flag takes if its value is malformed. The error of package
// pflag would name the Go function that failed.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		cmd.Flags().VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
		hint := strings.Replace(meant(unknown.GetSpecifiedName(), names), "mean ", "mean --", 1)
		return fmt.Errorf("unknown flag --%s for %q%s", unknown.GetSpecifiedName(), cmd.CommandPath(), hint)
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	value, flag := invalid.GetValue(), invalid.GetFlag()
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("--%s %q is out of range", flag.Name, value)
	}
	var want string
	switch flag.Value.Type() {
	case "int", "int64":
		want = "is not a whole number"
	case "uint64":
		want = "is not a whole number of 0 or more"
	case "float64":
		want = "is not a number, such as 0.5"
	case "duration":
		want = "is not a time with a unit, such as 500ms, 30s or 1h30m"
	case "bool":
		want = "is neither true nor false"
	case "intSlice":
		want = "is not a list of whole numbers, such as 32 or 32,64"
	case "stringSlice":
		want = "is not a comma-separated list: put quotation marks around a whole entry"
	default: // a type of this module
		return fmt.Errorf("--%s: %w", flag.Name, errors.Unwrap(invalid))
	}
	return fmt.Errorf("--%s %q %s", flag.Name, value, want)
}
