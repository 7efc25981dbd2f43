package gktinc

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/gkpow/gkpow/client"
)

// CheckLevel decides about a visitor by the address alone, before there is a form. It uses
// the action that ChallengeLevel returns. The Verdict and the error follow the same rules
// as in Validate, including the policy. If the service returns no level, CheckLevel returns
// DefaultLevel.
func (c *Client) CheckLevel(ctx context.Context, ip netip.Addr) (Level, Verdict, error) {
	level, err := c.ChallengeLevel(ctx, ip)
	if err != nil {
		level = c.DefaultLevel()
	}
	verdict := Verdict{Err: err, Action: level.Action, IPPolicy: level.IPPolicy, Place: level.Place, Raw: level.Raw}
	switch {
	case errors.Is(err, client.ErrUnavailable):
		verdict.Reason = ReasonUnavailable
	case errors.Is(err, client.ErrRateLimited):
		verdict.Reason = ReasonRateLimited
	case err != nil:
		verdict.Reason = ReasonError
		return level, verdict, err
	case level.Action.Accepts() || level.Action.Denies():
		verdict.Reason, verdict.Allowed = ReasonAction, level.Action.Accepts()
		return level, verdict, nil
	default:
		verdict.Reason = ReasonUnknownAction
		verdict.Err = &client.Error{Op: opLevel, Kind: client.ErrUnavailable,
			Err: fmt.Errorf("the response's action is %.40q, which neither accepts nor denies", level.Action)}
	}
	if verdict = c.degrade(verdict); verdict.Allowed {
		return level, verdict, nil
	}
	return level, verdict, verdict.Err
}
