package gktinc

import "strings"

// An Action is what the service wants done with a visitor. The Client gives
// known ones in upper case.
type Action string

// The actions that the vendor's documents and programs know.
const (
	ActionAccept  Action = "ACCEPT"
	ActionValid   Action = "VALID"
	ActionNotify  Action = "NOTIFY" // accept, and let somebody know
	ActionBlock   Action = "BLOCK"
	ActionInvalid Action = "INVALID"
)

// normalized is trimmed and, if that makes it a known action, in upper case. Only
// ASCII has cases and white space here: strings.ToUpper makes VALID of "valıd".
func (a Action) normalized() Action {
	trimmed := strings.Trim(string(a), " \t\r\n")
	switch upper := Action(strings.Map(asciiUpper, trimmed)); upper {
	case ActionAccept, ActionValid, ActionNotify, ActionBlock, ActionInvalid:
		return upper
	}
	return Action(trimmed)
}

func asciiUpper(r rune) rune {
	if 'a' <= r && r <= 'z' {
		r -= 'a' - 'A'
	}
	return r
}

// Accepts reports whether the action is to let the visitor in: ACCEPT, VALID or
// NOTIFY, in ASCII letters of any case, white space around it aside.
func (a Action) Accepts() bool {
	switch a.normalized() {
	case ActionAccept, ActionValid, ActionNotify:
		return true
	}
	return false
}

// Denies reports whether the action is to refuse the visitor: BLOCK or INVALID.
// Of an action that is not known, neither Accepts nor Denies is true.
func (a Action) Denies() bool {
	switch a.normalized() {
	case ActionBlock, ActionInvalid:
		return true
	}
	return false
}
