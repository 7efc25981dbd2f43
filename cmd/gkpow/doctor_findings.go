package main

import (
	"fmt"
	"strings"
)

// A finding is the outcome of one of the doctor's checks.
type finding struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Result string `json:"result"`
	Do     string `json:"do,omitempty"` // what to do about it

	err error
}

// A diagnosis is the list of findings so far.
type diagnosis []finding

// check adds a finding with the error, or with the result if there is no error. It
// reports whether the check passed.
func (d *diagnosis) check(name string, err error, result string, args ...any) bool {
	found := finding{Check: name, OK: err == nil, Result: fmt.Sprintf(result, args...), err: err}
	if err != nil {
		found.Result = strings.TrimPrefix(words(err.Error()), name+": ")
		_, found.Do = diagnose(&actionError{err})
	}
	*d = append(*d, found)
	return err == nil
}

// advise sets what to do about the last finding.
func (d diagnosis) advise(what string) { d[len(d)-1].Do = what }

func (d diagnosis) print(env environment, asJSON bool) error {
	if asJSON {
		return printJSON(env.stdout, d)
	}
	for _, found := range d {
		mark := "ok  "
		if !found.OK {
			mark = "FAIL"
		}
		if _, err := fmt.Fprintf(env.stdout, "%s  %-13s  %s\n", mark, found.Check, found.Result); err != nil {
			return err
		}
		if found.Do != "" {
			if _, err := fmt.Fprintf(env.stdout, "      %-13s  do: %s\n", "", found.Do); err != nil {
				return err
			}
		}
	}
	return nil
}
