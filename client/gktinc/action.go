package gktinc

import "strings"

// An Action is the service's decision about a visitor. A Client returns known
// actions in upper case.
type Action string

// The actions in the vendor's documents and programs.
const (
	ActionAccept  Action = "ACCEPT"
	ActionValid   Action = "VALID"
	ActionNotify  Action = "NOTIFY" // accept the visitor and notify somebody
	ActionBlock   Action = "BLOCK"
	ActionInvalid Action = "INVALID"
)

// normalized trims white space and converts known actions to upper case. It handles
// only ASCII, because strings.ToUpper turns "valıd" into "VALID".
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

// Accepts reports whether the action accepts the visitor: ACCEPT, VALID or NOTIFY.
// It ignores ASCII case and surrounding white space.
func (a Action) Accepts() bool {
	switch a.normalized() {
	case ActionAccept, ActionValid, ActionNotify:
		return true
	}
	return false
}

// Denies reports whether the action denies the visitor: BLOCK or INVALID, with the
// same leniency as Accepts. An unknown action neither accepts nor denies.
func (a Action) Denies() bool {
	switch a.normalized() {
	case ActionBlock, ActionInvalid:
		return true
	}
	return false
}
