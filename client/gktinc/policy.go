package gktinc

import "fmt"

// A Policy says what counts where the service has given no verdict. Wrong keys
// and a context that has ended are errors under every policy, and deny.
type Policy int

const (
	// Closed denies. It is the default.
	Closed Policy = iota
	// OpenOnOutage allows while the service is not available
	// (client.ErrUnavailable). It denies what a visitor can bring about: a form
	// without a solution, a rate limit; and an answer with an action that is not
	// known, since the service did answer.
	OpenOnOutage
	// Open allows, also without a solution: a visitor need only leave it out. It
	// is what the vendor's integrations do.
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

// MarshalText returns what String does; it fails for a value that is no policy.
func (p Policy) MarshalText() ([]byte, error) {
	if !p.valid() {
		return nil, fmt.Errorf("gktinc: %v is not a policy", p)
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
	return fmt.Errorf("gktinc: policy %.40q is not closed, open-on-outage or open", text)
}

// allows decides for a reason that is not the service's own decision.
func (p Policy) allows(r Reason) bool {
	switch p {
	case Open:
		return true
	case OpenOnOutage:
		return r == ReasonUnavailable
	}
	return false
}
