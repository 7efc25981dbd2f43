package client

import (
	"net/http"
	"time"
)

// A serverClock relates the server's time to the local clock. Both readings are
// of the moment an answer arrived; the local one is monotonic, so setting the
// computer's clock does not move a deadline.
type serverClock struct {
	local, server time.Time
}

// readClock takes the server's time from the Date header. It is in whole
// seconds, so what follows from it can be up to a second late. Without a valid
// one the clocks are taken to agree.
func readClock(received time.Time, header http.Header) serverClock {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = received
	}
	return serverClock{local: received, server: date}
}

// toLocal returns when, by the local clock, the server's clock shows t.
func (c serverClock) toLocal(t time.Time) time.Time {
	return c.local.Add(t.Sub(c.server))
}
