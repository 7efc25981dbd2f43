package gktinc

import (
	"strings"
	"unicode/utf8"
)

// PayloadSizePHP returns form_payload_size by the documented formula, as PHP computes it:
//
//	strlen(serialize($_POST)) - strlen($_POST["gktinc_solution"])
//
// For a Form from ParseForm the result equals PHP's with default settings, including
// nested names and numeric keys.
func PayloadSizePHP(f Form) int { return payloadSize(f.post()) }

// PayloadSizeWordPress returns the same in WordPress, which inserts a backslash before
// each ', ", \ and NUL in the values of $_POST (wp_magic_quotes).
func PayloadSizeWordPress(f Form) int {
	post := f.post()
	post.addSlashes()
	return payloadSize(post)
}

var slashed = strings.NewReplacer("'", `\'`, `"`, `\"`, `\`, `\\`, "\x00", `\0`)

func (a *array) addSlashes() {
	for key, value := range a.entries {
		switch value := value.(type) {
		case string:
			a.entries[key] = slashed.Replace(value)
		case *array:
			value.addSlashes()
		}
	}
}

func payloadSize(post *array) int {
	solution, _ := post.entries[SolutionField].(string)
	return post.serializedLen() - len(solution)
}

// PayloadSizeValues returns form_payload_size by the formula of the vendor's Java
// programs: the total length of all values except the solution, without names, in UTF-16
// code units.
func PayloadSizeValues(f Form) int {
	n := -utf16Len(f.Value(SolutionField))
	for _, field := range f {
		n += utf16Len(field.Value)
	}
	return n
}

// utf16Len returns the length of s in UTF-16 code units. An invalid byte counts as one.
func utf16Len(s string) int {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if r > 0xffff {
			n++
		}
	}
	return n
}
