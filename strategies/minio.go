package strategies

import (
	"context"
	"fmt"

	"github.com/minio/sha256-simd"

	"github.com/gkpow/gkpow/solver"
)

// minio is suffix with the SHA-256 of another library.
var minio = &loop{
	name:        "minio",
	description: "like suffix, but with github.com/minio/sha256-simd, which uses crypto/sha256 on CPUs without SHA instructions",
	message:     wholeMessage,
	start: func(_ context.Context, p solver.Puzzle, first uint64) (scanner, error) {
		return newSuffixScanner(p, first, sha256.Sum256), nil
	},
}

// A minioAVX512 hashes with the AVX-512 server of the same library, in minio_amd64.go. Other
// architectures have no such server: see minio_other.go.
type minioAVX512 struct{}

func (minioAVX512) Name() string { return "minio-avx512" }

func (minioAVX512) Description() string {
	return "the AVX-512 server of github.com/minio/sha256-simd, fed by 16 goroutines, which use other CPUs too"
}

// missingError returns the error for a strategy that this CPU cannot run.
func missingError(s Strategy) error {
	return fmt.Errorf("strategies: %s: this CPU has no %s", s.Name(), s.Missing())
}
