package solver

import "time"

// What the gkCAPTCHA service asks for, by its documents: gkCAPTCHA M2M API, "1.
// Request a Challenge". Defaults, estimates and the emulator go by it.
const (
	ServiceDifficulty = 6           // leading zero hex digits
	ChallengeLifetime = time.Minute // from a challenge's issue to its expiry
)
