module github.com/gkpow/gkpow

go 1.26.0
