//go:build !purego

#include "textflag.h"

#define PAIR \
	ADDQ BX, AX \
	XORQ CX, AX

// func chain(rounds int)
TEXT ·chain(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), DX
	MOVQ $1, BX
	MOVQ $2, CX
	XORQ AX, AX

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
	DECQ DX
	JNZ  round
	RET
