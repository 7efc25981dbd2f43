package gktinc

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const urlEncoded = "application/x-www-form-urlencoded"

// The expected values are PHP 8.2's strlen(serialize($_POST)) - strlen(solution).
// TestInteropPHP compares with PHP itself.
func TestPayloadSizePHP(t *testing.T) {
	for body, want := range map[string]int{
		"":                                     len(`a:0:{}`),
		"username=bob":                         31,
		"log=admin&pwd=x&gktinc_solution=AAAA": 80 - 4,
		"gktinc_solution=" + strings.Repeat("A", 12345):     len(`a:1:{s:15:"gktinc_solution";s:12345:"";}`),
		"gktinc_solution[]=AAAA":                            len(`a:1:{s:15:"gktinc_solution";a:1:{i:0;s:4:"AAAA";}}`),
		"gktinc.solution=AAAA&gktinc_solution=B":            len(`a:1:{s:15:"gktinc_solution";s:1:"";}`),
		"a=1&a=22":                                          len(`a:1:{s:1:"a";s:2:"22";}`),
		"a[]=1&a[]=2&a[7]=3&a[]=4":                          len(`a:1:{s:1:"a";a:4:{i:0;s:1:"1";i:1;s:1:"2";i:7;s:1:"3";i:8;s:1:"4";}}`),
		strings.Repeat("a[]=1&", 10):                        len(`a:1:{s:1:"a";a:10:{`) + 10*len(`i:0;s:1:"1";`) + len(`}}`),
		strings.Repeat("a[]=1&", 11):                        len(`a:1:{s:1:"a";a:11:{`) + 11*len(`i:0;s:1:"1";`) + len(`0}}`),
		"a[12]=1&a[3]=2&a[]=3":                              len(`a:1:{s:1:"a";a:3:{i:12;s:1:"1";i:3;s:1:"2";i:13;s:1:"3";}}`),
		"a[-20]=1&a[]=2":                                    len(`a:1:{s:1:"a";a:2:{i:-20;s:1:"1";i:-19;s:1:"2";}}`),
		"a[b=1&a_b=2&c[.[=3&c___=4":                         len(`a:2:{s:3:"a_b";s:1:"2";s:4:"c___";s:1:"4";}`),
		"a[b][c]=1&a[b][d]=2":                               len(`a:1:{s:1:"a";a:1:{s:1:"b";a:2:{s:1:"c";s:1:"1";s:1:"d";s:1:"2";}}}`),
		"a=1&a[b]=2":                                        len(`a:1:{s:1:"a";a:1:{s:1:"b";s:1:"2";}}`),
		"a[b]=2&a=1":                                        len(`a:1:{s:1:"a";s:1:"1";}`),
		"n=%C3%A9%F0%9F%98%80":                              len(`a:1:{s:1:"n";s:6:"é😀";}`),
		"0=a&12=b&-5=c&01=d&-0=e":                           len(`a:5:{i:0;s:1:"a";i:12;s:1:"b";i:-5;s:1:"c";s:2:"01";s:1:"d";s:2:"-0";s:1:"e";}`),
		"a[9223372036854775807]=1&a[]=2":                    len(`a:1:{s:1:"a";a:1:{i:9223372036854775807;s:1:"1";}}`),
		"a[9223372036854775808]=1":                          len(`a:1:{s:1:"a";a:1:{s:19:"9223372036854775808";s:1:"1";}}`),
		"a+b.c=1":                                           len(`a:1:{s:5:"a_b_c";s:1:"1";}`),
		"a[b=1&[c]=2&d]=3&e[f]g=4":                          len(`a:3:{s:3:"a_b";s:1:"1";s:2:"d]";s:1:"3";s:1:"e";a:1:{s:1:"f";s:1:"4";}}`),
		"a%00b=%00":                                         len(`a:1:{s:1:"a";s:1:"0";}`),
		"a=%zz&b=+":                                         len(`a:2:{s:1:"a";s:3:"%zz";s:1:"b";s:1:" ";}`),
		"..Host-a=1":                                        len(`a:0:{}`),
		"a" + strings.Repeat("[]", 64) + "=1":               len(`a:1:{s:1:"a";` + strings.Repeat(`a:1:{i:0;`, 64) + `s:1:"1";` + strings.Repeat(`}`, 65)),
		"a" + strings.Repeat("[]", 65) + "=1&b=2":           len(`a:1:{s:1:"b";s:1:"2";}`),
		strings.Repeat("&", 1000) + "a=1&b=2":               len(`a:1:{s:1:"a";s:1:"1";}`),
		"a=1\x00&b=" + strings.Repeat("x", 100_000) + "&c=": len(`a:3:{s:1:"a";s:2:"1_";s:1:"b";s:100000:"";s:1:"c";s:0:"";}`) + 100_000,
	} {
		form, _ := ParseForm(urlEncoded, []byte(body))
		require.Equal(t, want, PayloadSizePHP(form), "%.200q", body)
	}
}

func TestPayloadSizeValues(t *testing.T) {
	for body, want := range map[string]int{
		"":                                      0,
		"a=1&a=22&b=333":                        6,
		"log=admin&pwd=x&gktinc_solution=AAAA":  6,
		"n=%C3%A9%F0%9F%98%80":                  3,
		"a=%ff%fe":                              2,
		"gktinc_solution=AAAA":                  0,
		"gktinc_solution=AAAA&a[b][c]=1&a[]=22": 3,
	} {
		form, err := ParseForm(urlEncoded, []byte(body))
		require.NoError(t, err)
		require.Equal(t, want, PayloadSizeValues(form), body)
	}
	c := clientOf(t, nil, func(c *Config) { c.PayloadSize = PayloadSizeValues })
	form := Form{{"a", "123"}}
	require.Equal(t, 3, c.PayloadSize(form))
	require.Equal(t, len(`a:1:{s:1:"a";s:3:"123";}`), clientOf(t, nil).PayloadSize(form))
}

func TestParseForm(t *testing.T) {
	const boundary = "--B\r\nContent-Disposition: form-data; name="
	want := Form{{"a", "1"}, {"b c", "é\r\n"}, {"a", ""}}
	for contentType, body := range map[string]string{
		urlEncoded: "a=1&b+c=%C3%A9%0D%0a&&=x&a",
		"Application/X-WWW-Form-URLencoded ; charset=UTF-8": "a=1&b%20c=é\r\n&a=",
		"multipart/form-data; boundary=B": boundary + "\"a\"\r\n\r\n1\r\n" + boundary + "\"b c\"\r\n\r\né\r\n\r\n" +
			boundary + "\"f\"; filename=\"x\"\r\n\r\nfile\r\n" + boundary + "\"g\"; filename=\"\"\r\n\r\n\r\n" + boundary + "a\r\n\r\n\r\n--B--\r\n",
	} {
		form, err := ParseForm(contentType, []byte(body))
		require.NoError(t, err, contentType)
		require.Equal(t, want, form, contentType)
	}
	for _, contentType := range []string{"", "text/plain", "application/json"} {
		form, err := ParseForm(contentType, []byte("a=1"))
		require.NoError(t, err)
		require.Empty(t, form)
	}
	for contentType, body := range map[string]string{
		"multipart/form-data":              "",
		"multipart/form-data; boundary=":   "",
		"multipart/form-data; boundary=\"": "",
		"multipart/form-data; boundary=B":  boundary + "a\r\n\r\n1\r\n" + boundary + "b\r\n\r\n2",
	} {
		form, err := ParseForm(contentType, []byte(body))
		require.ErrorContains(t, err, "gktinc: the form", contentType)
		if body != "" {
			require.Equal(t, Form{{"a", "1"}}, form)
		}
	}
	for name, ok := range map[string]bool{`"a[b.c] ;'é"`: true, `"App\Model"`: true, `a[0].b-c`: true, `"a"; filename="x; y"`: true, `"a";filename=`: false,
		`"a\"b"`: false, `"a\\b"`: false, `"a\[b"`: false, `a b`: false, `"a`: false, `"a"; filename*=x`: false, `"a"; filename="\"; name="b"`: false} {
		_, err := ParseForm("multipart/form-data; boundary=B", []byte(boundary+name+"\r\n\r\n1\r\n--B--\r\n"))
		require.Equal(t, ok, err == nil, name)
	}
	long := strings.Repeat(boundary+"a\r\n\r\n1\r\n", 1001) + "--B--\r\n"
	form, err := ParseForm("multipart/form-data; boundary=B", []byte(long))
	require.ErrorContains(t, err, "gktinc: the form has more than 1000 fields")
	require.Len(t, form, 1000)
	_, err = ParseForm("multipart/form-data; boundary=B", []byte(strings.Replace(long, boundary+"a", boundary+"a; filename=x", 1)))
	require.NoError(t, err)
	form, err = ParseForm(urlEncoded, []byte(strings.Repeat("a=1&", 1002)))
	require.ErrorIs(t, err, errTooMany)
	require.Len(t, form, 1001)
	_, err = ParseForm(urlEncoded, []byte(strings.Repeat("a=1&", 1001)))
	require.NoError(t, err)
}

func TestFormValue(t *testing.T) {
	form := Form{{"user", "a"}, {"us.er", "b"}, {"user", "c"}, {"list[]", "d"}, {"7", "e"}}
	for name, want := range map[string]string{"user": "c", "us_er": "b", "us.er": "", "list": "", "list[]": "", "7": "e", "none": "", "": ""} {
		require.Equal(t, want, form.Value(name), name)
	}
}

// FormOf loses the order of fields with different names, which seldom matters.
func TestFormOf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		values := url.Values{}
		for i := range rng.IntN(5) {
			for range 1 + rng.IntN(3) {
				values.Add(string(rune('a'+i))+[]string{"", "[]", "[x]"}[rng.IntN(3)], randomText(rng))
			}
		}
		form, err := ParseForm(urlEncoded, []byte(values.Encode()))
		require.NoError(t, err)
		require.Equal(t, form, FormOf(values))
	}
	require.Equal(t, Form{{"a", "2"}, {"a", "1"}, {"b", "3"}}, FormOf(url.Values{"b": {"3"}, "a": {"2", "1"}}))
}

// FuzzForm checks properties that hold for all forms.
func FuzzForm(f *testing.F) {
	for _, body := range oddBodies() {
		if len(body) < 1000 {
			f.Add([]byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		form, err := ParseForm(urlEncoded, body)
		if err != nil && len(body) <= maxInputVars || len(form) > maxInputVars+1 {
			t.Fatalf("%d fields of %q, %v", len(form), body, err)
		}
		size := PayloadSizePHP(form)
		if size < len(`a:0:{}`) {
			t.Fatalf("PayloadSizePHP of %q = %d", body, size)
		}
		if values := PayloadSizeValues(form); values < 0 || values > len(body) {
			t.Fatalf("PayloadSizeValues of %q = %d", body, values)
		}
		// A field with a new name adds exactly the length of its own serialization.
		more := append(form[:len(form):len(form)], Field{"fuzz new", "12345"})
		before, after := form.post(), more.post()
		if _, taken := before.entries["fuzz_new"]; !taken {
			want := before.serializedLen() + len(`s:8:"fuzz_new";s:5:"12345";`) + digits(len(after.entries)) - digits(len(before.entries))
			if got := after.serializedLen(); got != want {
				t.Fatalf("PayloadSizePHP of %q and one more field = %d; want %d", body, got, want)
			}
		}
		if got := more.Value("fuzz_new"); got != "12345" {
			t.Fatalf("%q: Value = %q", body, got)
		}
	})
}
