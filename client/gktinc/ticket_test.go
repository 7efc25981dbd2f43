package gktinc

import (
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gkpow/gkpow/client"
)

func TestTicket(t *testing.T) {
	c := newClient(t)
	now := time.Unix(1_700_000_000, 0)
	c.now = func() time.Time { return now }
	want := ticket{Once: newOnce(), Issued: now.Unix(), Expires: now.Unix() + 60, URL: "example.com/login", Field: "username", Optional: true,
		Form: "login", Level: 5, Blocked: true, ClientIP: netip.MustParseAddr("2001:db8::7")}
	signed, err := c.sign(want)
	require.NoError(t, err)
	require.Regexp(t, `^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}$`, signed)
	require.Less(t, len(signed), 400)
	got, ok := c.open(signed)
	require.True(t, ok)
	require.Equal(t, want, got)

	// A change of any character invalidates the ticket.
	for i := range len(signed) {
		for _, other := range []byte("A_9.") {
			if signed[i] != other {
				_, ok := c.open(signed[:i] + string(other) + signed[i+1:])
				require.False(t, ok, i)
			}
		}
		_, ok := c.open(signed[:i])
		require.False(t, ok, i)
	}
	for _, other := range []string{"", ".", signed + ".", signed + "A", signed + "=", " " + signed, strings.Repeat("0", 32), strings.Repeat("A", 1<<20)} {
		_, ok := c.open(other)
		require.False(t, ok)
	}

	for at, good := range map[time.Duration]bool{0: true, 59 * time.Second: true, 60 * time.Second: false, -time.Minute: true, -61 * time.Second: false} {
		now = time.Unix(want.Issued, 0).Add(at)
		_, ok := c.open(signed)
		require.Equal(t, good, ok, at)
	}
}

// Every process with the same key can open a ticket, and no other can.
func TestTicketKey(t *testing.T) {
	client1 := func(apiKey, hashID, pageKey string) *Client {
		c, err := New(Config{APIKey: client.NewSecret(apiKey), HashID: hashID, PageKey: client.NewSecret(pageKey)})
		require.NoError(t, err)
		return c
	}
	page := func(c *Client) string {
		signed, err := c.sign(ticket{Once: newOnce(), Expires: time.Now().Unix() + 60})
		require.NoError(t, err)
		return signed
	}
	opens := func(c *Client, signed string) bool { _, ok := c.open(signed); return ok }
	derived, given := client1("key", "id", ""), client1("key", "id", "0123456789abcdef")
	require.True(t, opens(client1("key", "id", ""), page(derived)), "after a restart")
	require.True(t, opens(client1("another", "id", "0123456789abcdef"), page(given)), "the API key was rotated")
	for _, other := range []*Client{given, client1("key2", "id", ""), client1("key", "id2", ""), client1("ke", "yid", "")} {
		require.False(t, opens(other, page(derived)))
	}
	rotated, err := New(Config{APIKey: client.NewSecret("key2"), HashID: "id", Predecessor: derived})
	require.NoError(t, err)
	require.True(t, opens(rotated, page(derived)), "a page from before the key was replaced")
	require.True(t, opens(client1("key2", "id", ""), page(rotated)))
	_, err = New(Config{APIKey: client.NewSecret("key"), HashID: "id", PageKey: client.NewSecret("short-SENTINEL")})
	require.ErrorIs(t, err, client.ErrMisconfigured)
	require.ErrorContains(t, err, "PageKey")
	require.NotContains(t, err.Error(), "SENTINEL")
}

// A flood of page requests neither takes memory nor invalidates earlier pages.
func TestFloodOfPages(t *testing.T) { floodOfPages(t, 30_000) }

func TestInteropFloodOfPages(t *testing.T) {
	if os.Getenv("GKPOW_TEST_INTEROP") == "" {
		t.Skip("GKPOW_TEST_INTEROP is not set")
	}
	floodOfPages(t, 1_000_000)
}

func floodOfPages(t *testing.T, requests int) {
	_, c := serve(t, Closed)
	s := newSite(t, c, GuardOptions{})
	before := s.page()
	var start, end runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&start)
	r := request("GET", "", "")
	for range requests {
		if _, err := s.guard.Page(r); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&end)
	t.Logf("%d pages; %d bytes remain in use", requests, int64(end.HeapAlloc)-int64(start.HeapAlloc))
	require.Less(t, int64(end.HeapAlloc)-int64(start.HeapAlloc), int64(1<<20), "bytes in use")
	require.Equal(t, 200, s.post("username", "bob", "gktinc_solution", "QUJD", "gktinc_once", before).Code)
	require.Equal(t, 403, s.post("username", "bob", "gktinc_solution", "QUJD", "gktinc_once", before).Code)
}
