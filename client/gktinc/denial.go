package gktinc

import (
	"bytes"
	"encoding/json"
	"strings"
)

// denial returns the first denying action in a response, or "" if there is none. It finds
// actions at any depth, under names in any case and under repeated names. A JSON decoder
// would see at most one of them, and an overlooked denial would admit a visitor.
func denial(answer []byte) Action {
	if !json.Valid(answer) {
		return ""
	}
	type container struct {
		object bool   // an object rather than an array
		value  bool   // the next token of the object is a value rather than a name
		name   string // of the latest field, or of the array
	}
	open := []container{{}} // the objects and arrays around the next token
	for d := json.NewDecoder(bytes.NewReader(answer)); ; {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		in := &open[len(open)-1]
		text, isText := token.(string)
		switch {
		case in.object && !in.value && isText:
			in.name, in.value = text, true
			continue
		case token == json.Delim('}') || token == json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case isText && strings.EqualFold(in.name, "action") && Action(text).Denies():
			return Action(text).normalized()
		}
		in.value = false
		if token == json.Delim('{') || token == json.Delim('[') {
			inside := container{object: token == json.Delim('{')}
			if token == json.Delim('[') {
				inside.name = in.name
			}
			open = append(open, inside)
		}
	}
}
