package gktinc

import (
	"strings"
	"unicode/utf8"
)

// PayloadSizePHP is the documented formula for form_payload_size, as PHP
// computes it:
//
//	strlen(serialize($_POST)) - strlen($_POST["gktinc_solution"])
//
// It is exact for a Form of ParseForm and PHP with its default settings, nested
// names and numeric keys included.
func PayloadSizePHP(f Form) int { return payloadSize(f.post()) }

// PayloadSizeWordPress is the same formula in WordPress, which adds a slash before
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

// PayloadSizeValues is the formula of the vendor's Java programs: the lengths of
// all values, without their names, in UTF-16 code units, less that of the
// solution.
func PayloadSizeValues(f Form) int {
	n := -utf16Len(f.Value(SolutionField))
	for _, field := range f {
		n += utf16Len(field.Value)
	}
	return n
}

// utf16Len counts a byte that is not UTF-8 as one unit.
func utf16Len(s string) int {
	n := utf8.RuneCountInString(s)
	for _, r := range s {
		if r > 0xffff {
			n++
		}
	}
	return n
}
