module github.com/gkpow/gkpow/bench/compare

go 1.26.0

replace github.com/gkpow/gkpow => ../..

require (
	github.com/gkpow/gkpow v0.0.0-00010101000000-000000000000
	github.com/klauspost/cpuid/v2 v2.4.2
	github.com/stretchr/testify v1.12.1
)

require (
	github.com/minio/sha256-simd v1.0.1 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.49.0 // indirect
)
