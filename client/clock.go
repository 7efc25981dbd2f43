package client

import (
	"net/http"
	"time"
)

// A serverClock relates the server's clock to the local one: both fields are the time at
// which a response arrived. local has a monotonic reading, so deadlines do not move when
// somebody sets the local clock.
type serverClock struct {
	local, server time.Time
}

// readClock reads the server's clock from the Date header. The header counts whole
// seconds, so times derived from it may be up to a second late. Without a valid header,
// readClock assumes that the clocks agree.
func readClock(received time.Time, header http.Header) serverClock {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		date = received
	}
	return serverClock{local: received, server: date}
}

// toLocal converts a time of the server's clock to the local clock.
func (c serverClock) toLocal(t time.Time) time.Time {
	return c.local.Add(t.Sub(c.server))
}
