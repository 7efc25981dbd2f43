package strategies

import (
	"context"
	"fmt"

	"github.com/minio/sha256-simd"

	"github.com/gkpow/gkpow/solver"
)

// minio is suffix with another library's SHA-256.
var minio = &loop{
	name:        "minio",
	description: "as suffix, with github.com/minio/sha256-simd, which is crypto/sha256 on CPUs without SHA instructions",
	message:     wholeMessage,
	start: func(_ context.Context, p solver.Puzzle, first uint64) (scanner, error) {
		return newSuffixScanner(p, first, sha256.Sum256), nil
	},
}

// A minioAVX512 hashes with the server of the same library. It is in
// minio_amd64.go, and minio_other.go where there is no such server.
type minioAVX512 struct{}

func (minioAVX512) Name() string { return "minio-avx512" }

func (minioAVX512) Description() string {
	return "the AVX-512 server of github.com/minio/sha256-simd, fed by 16 goroutines, which use other CPUs too"
}

// missingError is the error of a search that this CPU cannot do.
func missingError(s Strategy) error {
	return fmt.Errorf("strategies: %s: this CPU has no %s", s.Name(), s.Missing())
}
