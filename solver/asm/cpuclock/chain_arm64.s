//go:build !purego

#include "textflag.h"

#define PAIR \
	ADD R1, R0, R0 \
	EOR R2, R0, R0

// func chain(rounds int)
TEXT ·chain(SB), NOSPLIT, $0-8
	MOVD rounds+0(FP), R3
	MOVD $1, R1
	MOVD $2, R2
	MOVD $0, R0

round:
	PAIR
	PAIR
	PAIR
	PAIR
	PAIR
	PAIR
	PAIR
	PAIR
	PAIR
	PAIR
	SUBS $1, R3, R3
	BNE  round
	RET
