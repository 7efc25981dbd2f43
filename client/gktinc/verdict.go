package gktinc

import "github.com/gkpow/gkpow/client"

// A Reason says who has decided a Verdict, and on what grounds.
type Reason string

const (
	ReasonAction          Reason = "action"           // the service has, by its Action
	ReasonMissingSolution Reason = "missing_solution" // the policy has: the form has no solution
	ReasonUnknownAction   Reason = "unknown_action"   // the policy has: the Action is missing or not known
	ReasonUnavailable     Reason = "unavailable"      // the policy has: client.ErrUnavailable
	ReasonRateLimited     Reason = "rate_limited"     // the policy has: client.ErrRateLimited
	ReasonError           Reason = "error"            // nobody has: any other error, which denies
)

// A Verdict is what is to be done with a form. Text is printable and at most 300
// bytes.
type Verdict struct {
	Allowed  bool   // whether to accept the form
	Degraded bool   // the policy has decided, for want of an answer of the service
	Reason   Reason // never ""

	// Err says why the service has not decided; nil if it has. It may be not nil
	// in a Verdict that allows. errors.Is finds client.ErrUnavailable and the
	// others.
	Err error

	// Ambiguous means that the service found the solution INVALID in a request
	// that was repeated because the first was not answered: the first may have
	// used the solution up.
	Ambiguous bool

	Action   Action   // "" if there was none
	Score    *float64 // nil if not given
	IPPolicy string   // such as "not_listed"
	Place

	// Raw is the whole answer, for fields that are not known here. It is a Secret
	// because nobody knows what an answer repeats.
	Raw client.Secret
}
