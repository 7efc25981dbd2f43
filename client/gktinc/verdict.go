package gktinc

import "github.com/gkpow/gkpow/client"

// A Reason says who decided a Verdict, and why.
type Reason string

const (
	ReasonAction          Reason = "action"           // the service decided, with its Action
	ReasonMissingSolution Reason = "missing_solution" // the policy decided: the form has no solution
	ReasonUnknownAction   Reason = "unknown_action"   // the policy decided: the Action is missing or unknown
	ReasonUnavailable     Reason = "unavailable"      // the policy decided: client.ErrUnavailable
	ReasonRateLimited     Reason = "rate_limited"     // the policy decided: client.ErrRateLimited
	ReasonError           Reason = "error"            // nobody decided: any other error, which denies
)

// A Verdict is the decision about a form. Every text is printable and has at most 300
// bytes.
type Verdict struct {
	Allowed  bool   // whether to accept the form
	Degraded bool   // whether the policy decided, since the service gave no verdict
	Reason   Reason // never ""

	// Err says why the service did not decide; nil if it did. An allowing Verdict may
	// have an Err. errors.Is finds client.ErrUnavailable and the other kinds.
	Err error

	// Ambiguous means that the service answered INVALID to a retry. The first request,
	// whose response was lost, may have used up the solution.
	Ambiguous bool

	Action   Action   // "" if there was none
	Score    *float64 // as the service gives it, without a documented unit or range; nil if not given
	IPPolicy string   // such as "not_listed"
	Place

	// Raw is the whole response, for fields that this package does not know. It is a
	// Secret, since a response may repeat anything.
	Raw client.Secret
}
