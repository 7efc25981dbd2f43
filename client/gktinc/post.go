package gktinc

import (
	"math"
	"strconv"
	"strings"
)

// maxNesting is the default of PHP's setting max_input_nesting_level.
const maxNesting = 64

// An array is a PHP array without the order of its elements, which does not affect the
// length of its serialization. Keys are int64 or string; values are string or *array.
type array struct {
	entries map[any]any
	next    int64 // key that PHP gives to the next element without a key; math.MinInt64 means 0
}

func newArray() *array { return &array{entries: map[any]any{}, next: math.MinInt64} }

// arrayKey converts a key as PHP does: a canonical decimal number that fits becomes an
// int64, anything else stays a string.
func arrayKey(s string) any {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && strconv.FormatInt(n, 10) == s {
		return n
	}
	return s
}

func (a *array) set(key, value any) {
	if n, ok := key.(int64); ok && n >= a.next {
		a.next = n
		if n < math.MaxInt64 {
			a.next++
		}
	}
	a.entries[key] = value
}

// nextKey returns the key that PHP gives to an element without a key. ok is false if the
// array has no free key left.
func (a *array) nextKey() (key any, ok bool) {
	n := a.next
	if n == math.MinInt64 {
		n = 0
	}
	_, taken := a.entries[n]
	return n, !taken
}

// post builds $_POST in the same way as php_register_variable_ex (PHP 8.2,
// main/php_variables.c).
func (f Form) post() *array {
	post := newArray()
	for _, field := range f {
		post.register(field.Name, field.Value)
	}
	return post
}

// register adds a field with a name such as "a", "a[]" or "a[b][c]".
func (a *array) register(name, value string) {
	name, _, _ = strings.Cut(name, "\x00")
	name = strings.TrimLeft(name, " ")
	end := strings.IndexByte(name, '[')
	if end < 0 {
		end = len(name)
	}
	variable := underscored(name[:end])
	if variable == "" {
		return
	}
	in, key := a, arrayKey(variable)
	for level, rest := 1, name[end:]; strings.HasPrefix(rest, "["); level++ {
		if level > maxNesting {
			delete(a.entries, arrayKey(variable))
			return
		}
		index, after, ok := cutIndex(rest[1:])
		if !ok {
			if level == 1 {
				key = arrayKey(variable + underscored(rest))
			}
			break
		}
		if disguised(key, name) {
			return
		}
		inner, ok := in.entries[key].(*array)
		if !ok {
			inner = newArray()
			in.set(key, inner)
		}
		in, key, rest = inner, arrayKey(index), after
		if index == "" {
			if key, ok = in.nextKey(); !ok {
				return
			}
		}
	}
	if !disguised(key, name) {
		in.set(key, value)
	}
}

// disguised reports whether a key has a prefix that browsers reserve for secure cookies,
// although the field's name does not begin with it. PHP drops such fields.
func disguised(key any, name string) bool {
	text, _ := key.(string)
	for _, prefix := range []string{"__Host-", "__Secure-"} {
		if strings.HasPrefix(text, prefix) && !strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// cutIndex cuts s at the closing bracket. An index that is a single white-space character
// counts as empty.
func cutIndex(s string) (index, after string, ok bool) {
	if len(s) > 1 && strings.IndexByte(" \t\n\v\f\r", s[0]) >= 0 && s[1] == ']' {
		s = s[1:]
	}
	return strings.Cut(s, "]")
}

// underscored replaces the characters that the name of a PHP variable cannot contain.
func underscored(s string) string {
	return strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(s)
}

// serializedLen returns strlen(serialize($array)). A serialization looks like this:
// a:2:{s:1:"a";s:3:"foo";i:5;a:0:{}}
func (a *array) serializedLen() int {
	n := len(`a::{}`) + digits(len(a.entries))
	for key, value := range a.entries {
		switch key := key.(type) {
		case int64:
			n += len(`i:;`) + len(strconv.FormatInt(key, 10))
		case string:
			n += serializedString(key)
		}
		switch value := value.(type) {
		case string:
			n += serializedString(value)
		case *array:
			n += value.serializedLen()
		}
	}
	return n
}

func serializedString(s string) int { return len(`s::"";`) + digits(len(s)) + len(s) }

func digits(n int) int { return len(strconv.Itoa(n)) }
