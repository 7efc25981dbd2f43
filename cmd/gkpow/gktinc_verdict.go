package main

import (
	"fmt"

	"github.com/gkpow/gkpow/client/gktinc"
)

// denied returns an error for a verdict against the visitor.
func denied(v gktinc.Verdict) error {
	switch {
	case v.Allowed:
		return nil
	case v.Ambiguous:
		return fmt.Errorf("%w: the action is %s, perhaps because an earlier attempt whose response was lost used up the solution", errDenied, v.Action)
	case v.Err != nil:
		return fmt.Errorf("%w: %w", errDenied, v.Err)
	}
	return fmt.Errorf("%w: the action is %s", errDenied, v.Action)
}

// gktincVerdictJSON is how --json shows a verdict.
type gktincVerdictJSON struct {
	Allowed   bool          `json:"allowed"`
	Degraded  bool          `json:"degraded,omitempty"` // the policy decided, not the service
	Ambiguous bool          `json:"ambiguous,omitempty"`
	Reason    gktinc.Reason `json:"reason"`
	Error     string        `json:"error,omitempty"` // why the service did not decide
	Action    gktinc.Action `json:"action,omitempty"`
	Score     *float64      `json:"score,omitempty"`
	IPPolicy  string        `json:"ip_policy,omitempty"`
	Country   string        `json:"country,omitempty"`
	City      string        `json:"city,omitempty"`
}

func newGKTincVerdictJSON(v gktinc.Verdict) gktincVerdictJSON {
	out := gktincVerdictJSON{
		Allowed:   v.Allowed,
		Degraded:  v.Degraded,
		Ambiguous: v.Ambiguous,
		Reason:    v.Reason,
		Action:    v.Action,
		Score:     v.Score,
		IPPolicy:  v.IPPolicy,
		Country:   v.Country,
		City:      v.City,
	}
	if v.Err != nil {
		out.Error = words(v.Err.Error())
	}
	return out
}
