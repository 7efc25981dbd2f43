package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"golang.org/x/net/html"
)

// An injector reads a page and puts HTML into its form: in place of the comment
// <!--gktinc-->, or else at the end of the form. It leaves every other byte as it is.
type injector struct {
	page   *html.Tokenizer
	body   io.Closer
	formID string        // "" is the first form that is sent by POST
	insert func() []byte // called when there is a place for it, at most once

	open, inForm, done bool // whether a form is open, is the one to insert into, and whether the HTML is inserted
	out                bytes.Buffer
	err                error
}

func newInjector(body io.ReadCloser, formID string, insert func() []byte) *injector {
	return &injector{page: html.NewTokenizer(body), body: body, formID: formID, insert: insert}
}

// Read returns the page with the inserted HTML. Since the proxy flushes after each call, Read
// returns as much as has arrived, not just one token.
func (i *injector) Read(p []byte) (int, error) {
	for i.err == nil && (i.out.Len() == 0 || i.out.Len() < len(p) && i.hasNext()) {
		i.next()
	}
	if i.out.Len() == 0 {
		return 0, i.err
	}
	return i.out.Read(p)
}

// hasNext reports whether the next token has probably arrived whole, since the one after
// it has begun.
func (i *injector) hasNext() bool {
	arrived := i.page.Buffered()
	return len(arrived) > 1 && bytes.IndexByte(arrived[1:], '<') >= 0
}

// Close closes the page's body.
func (i *injector) Close() error { return i.body.Close() }

// next copies one token.
func (i *injector) next() {
	kind := i.page.Next()
	i.out.Write(i.page.Raw()) // before reading the attributes changes it
	switch kind {
	case html.ErrorToken:
		i.err = i.page.Err()
		if i.err == io.EOF {
			i.leave(0)
		}
	case html.StartTagToken, html.SelfClosingTagToken: // the slash has no meaning in HTML
		// Browsers ignore a form inside a form.
		if name, more := i.page.TagName(); string(name) == "form" && !i.open {
			i.open, i.inForm = true, i.isTheForm(more)
		}
	case html.EndTagToken:
		switch name, _ := i.page.TagName(); string(name) {
		case "form", "body", "html": // a form without an end tag extends to the end of the page
			i.leave(len(i.page.Raw()))
		}
	case html.CommentToken:
		if size := len(i.page.Raw()); strings.TrimSpace(string(i.page.Text())) == "gktinc" {
			i.put(size, size)
		}
	}
}

// leave ends the open form. If that is the form to insert into, leave inserts the HTML before the
// last bytes of the output.
func (i *injector) leave(last int) {
	if i.inForm {
		i.put(last, 0)
	}
	i.open, i.inForm = false, false
}

// isTheForm reports whether a form with these attributes is the one to insert into.
func (i *injector) isTheForm(more bool) bool {
	id, method := "", ""
	for more {
		var key, value []byte
		key, value, more = i.page.TagAttr()
		switch string(key) {
		case "id":
			id = string(value)
		case "method":
			method = string(value)
		}
	}
	if i.formID != "" {
		return id == i.formID
	}
	return strings.EqualFold(strings.TrimSpace(method), "post")
}

// put inserts the HTML before the last bytes of the output, and replaces the first few of
// these bytes. It does so only once.
func (i *injector) put(last, replaced int) {
	if i.done {
		return
	}
	i.done = true
	end := bytes.Clone(i.out.Bytes()[i.out.Len()-last+replaced:])
	i.out.Truncate(i.out.Len() - last)
	i.out.Write(i.insert())
	i.out.Write(end)
}

// A gunzip decompresses a page.
type gunzip struct {
	compressed io.ReadCloser
	page       *gzip.Reader
}

func newGunzip(compressed io.ReadCloser) io.ReadCloser { return &gunzip{compressed: compressed} }

// Read returns the decompressed page.
func (g *gunzip) Read(p []byte) (n int, err error) {
	if g.page == nil { // not in newGunzip, so that an invalid page is an error of Read
		if g.page, err = gzip.NewReader(g.compressed); err != nil {
			return 0, err
		}
	}
	return g.page.Read(p)
}

// Close closes the compressed page.
func (g *gunzip) Close() error { return g.compressed.Close() }
