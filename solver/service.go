package solver

import "time"

// Parameters of the gkCAPTCHA service, from its documents (gkCAPTCHA M2M API, "1. Request a
// Challenge"). Defaults, estimates and the emulator use them.
const (
	ServiceDifficulty = 6           // leading zero hex digits
	ChallengeLifetime = time.Minute // from a challenge's issue to its expiry
)
