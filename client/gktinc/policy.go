package gktinc

import "fmt"

// A Policy decides about a visitor when the service has given no verdict. Under every
// policy, wrong keys and a context that is done are errors, which deny.
type Policy int

const (
	// Closed denies. It is the default.
	Closed Policy = iota
	// OpenOnOutage allows while the service is unavailable (client.ErrUnavailable).
	// It still denies failures that a visitor can cause, such as a form without a
	// solution or a rate limit. It also denies when the service answers with an
	// unknown action.
	OpenOnOutage
	// Open allows, even without a solution, so a visitor can bypass the check by
	// leaving the solution out. The vendor's integrations do the same.
	Open
)

var policies = [...]string{Closed: "closed", OpenOnOutage: "open-on-outage", Open: "open"}

func (p Policy) valid() bool { return p >= 0 && int(p) < len(policies) }

// String returns "closed", "open-on-outage" or "open".
func (p Policy) String() string {
	if !p.valid() {
		return fmt.Sprintf("Policy(%d)", int(p))
	}
	return policies[p]
}

// MarshalText returns the result of String, and an error if p is not a valid policy.
func (p Policy) MarshalText() ([]byte, error) {
	if !p.valid() {
		return nil, fmt.Errorf("gktinc: %v is not a valid policy", p)
	}
	return []byte(policies[p]), nil
}

// UnmarshalText sets the policy by its name.
func (p *Policy) UnmarshalText(text []byte) error {
	for i, name := range policies {
		if name == string(text) {
			*p = Policy(i)
			return nil
		}
	}
	return fmt.Errorf("gktinc: policy %.40q is not one of closed, open-on-outage and open", text)
}

// allows returns the policy's decision for a reason other than the service's verdict.
func (p Policy) allows(r Reason) bool {
	switch p {
	case Open:
		return true
	case OpenOnOutage:
		return r == ReasonUnavailable
	}
	return false
}
