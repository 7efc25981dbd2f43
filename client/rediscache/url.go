package rediscache

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

// A server is the location of a cache server and the way to connect to it.
type server struct {
	prefix    string // of key names
	address   string // the first address, for messages
	encrypted bool
	socket    bool // address is the path of a unix socket
	timeout   time.Duration
	policy    Policy

	option func() rueidis.ClientOption // a closure, so that a dump shows no password
}

// nodes reports whether the URL names several nodes of a cluster.
func (s server) nodes() bool {
	option := s.option()
	return len(option.InitAddress) > 1 && option.Sentinel.MasterSet == ""
}

// DefaultPrefix is the prefix of key names if the URL does not set one.
const DefaultPrefix = "gkpow:"

// parameters are the valid query parameters of a URL.
var parameters = []string{
	"addr", "ca_file", "cert_file", "db", "key_file", "master_set", "password_file", "policy", "prefix",
	"sentinel_password_file", "sentinel_user", "timeout",
}

// server parses the URL and determines the timeout.
func (o Options) server() (server, error) {
	s, err := parseURL(o.URL)
	if err != nil {
		return server{}, err
	}
	s.timeout = cmp.Or(o.Timeout, s.timeout, DefaultTimeout)
	if s.timeout < 10*time.Millisecond || s.timeout > time.Second {
		return server{}, misconfigured("the cache timeout is %v: set it to a value from 10ms to 1s", s.timeout)
	}
	return s, nil
}

// CheckURL reports whether the URL contains a password, and returns the error that New
// would return for it as Options.URL.
func CheckURL(raw string) (password bool, err error) {
	_, err = Options{URL: raw}.server()
	u, parseErr := url.Parse(raw)
	if parseErr == nil && u.User != nil {
		_, password = u.User.Password()
	}
	return password, err
}

// parseURL parses Options.URL. The error is client.ErrMisconfigured and does not contain
// the password.
func parseURL(raw string) (server, error) {
	fault := func(format string, args ...any) (server, error) {
		return server{}, misconfigured("the cache URL "+format, args...)
	}
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return fault("is empty: set it to a URL such as rediss://cache.example:6379")
	case err != nil:
		return fault("is not a valid URL: write it like rediss://cache.example:6379")
	case !slices.Contains([]string{"redis", "rediss", "valkey", "valkeys", "unix"}, u.Scheme):
		return fault("must begin with rediss://, valkeys://, redis://, valkey:// or unix://")
	case u.Scheme != "unix" && u.Hostname() == "":
		return fault("has no host: write it like rediss://cache.example:6379")
	case u.Scheme == "unix" && (u.Path == "" || u.Host != ""):
		return fault("has no socket path: write it like unix:///run/redis/redis.sock")
	case u.Fragment != "":
		return fault("has a fragment (#): write a # in the password as %%23")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fault("has malformed parameters after the question mark")
	}
	for name, values := range query {
		switch {
		case !slices.Contains(parameters, name):
			return fault("has an unknown parameter %q: use one of %s", name, strings.Join(parameters, ", "))
		case len(values) > 1 && name != "addr":
			return fault("has the parameter %s twice: remove one of them", name)
		case slices.Contains(values, "") && name != "prefix":
			return fault("has the parameter %s without a value: set it, or remove it", name)
		case u.Scheme == "unix" && (name == "addr" || name == "master_set"):
			return fault("has the parameter %s, but a socket is one server: remove it", name)
		case strings.HasPrefix(name, "sentinel_") && !query.Has("master_set"):
			return fault("has the parameter %s, but no master_set: set it to the name of the master", name)
		}
	}
	option, err := serverOption(u, query)
	if err != nil {
		return fault("%w", err)
	}
	s := server{
		prefix:    DefaultPrefix,
		address:   option.InitAddress[0],
		socket:    u.Scheme == "unix",
		encrypted: option.TLSConfig != nil,
		option:    func() rueidis.ClientOption { return option },
	}
	if timeout := query.Get("timeout"); timeout != "" {
		if s.timeout, err = time.ParseDuration(timeout); err != nil {
			return fault("has an invalid timeout %q: write a duration with a unit, such as 100ms", timeout)
		}
	}
	switch policy := query.Get("policy"); policy {
	case "", "alone":
	case "fail":
		s.policy = Fail
	default:
		return fault("has an invalid policy %q: write alone or fail", policy)
	}
	if query.Has("prefix") {
		s.prefix = query.Get("prefix")
	}
	notInPrefix := func(r rune) bool { return r == '{' || r == '}' || r <= ' ' || r == 0x7f }
	if len(s.prefix) > 256 || strings.ContainsFunc(s.prefix, notInPrefix) {
		return fault("has an invalid prefix: use up to 256 bytes without braces, white space and control characters")
	}
	return s, nil
}

// serverOption returns what rueidis has to know. Its errors continue "the cache URL ...".
func serverOption(u *url.URL, query url.Values) (option rueidis.ClientOption, err error) {
	if option.InitAddress, err = addresses(u, query); err != nil {
		return option, err
	}
	if option.SelectDB, err = database(u, query); err != nil {
		return option, err
	}
	option.Username = u.User.Username()
	if option.AuthCredentialsFn, err = credentials(u, query); err != nil {
		return option, err
	}
	option.Sentinel.MasterSet = query.Get("master_set")
	option.Sentinel.Username = query.Get("sentinel_user")
	if path := query.Get("sentinel_password_file"); path != "" {
		if option.Sentinel.Password, err = readPassword(path); err != nil {
			return option, err
		}
	}
	if u.Scheme == "rediss" || u.Scheme == "valkeys" {
		config, err := tlsConfig(query)
		if err != nil {
			return option, err
		}
		option.TLSConfig, option.Sentinel.TLSConfig = config, config
	} else if query.Has("ca_file") || query.Has("cert_file") || query.Has("key_file") {
		return option, fmt.Errorf("has certificates but does not use TLS: begin it with rediss://")
	}
	return option, nil
}

// addresses returns the path of the socket, or HOST:PORT of each node.
func addresses(u *url.URL, query url.Values) (list []string, err error) {
	if u.Scheme == "unix" {
		return []string{u.Path}, nil
	}
	for _, address := range append([]string{u.Host}, query["addr"]...) {
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			host, port = strings.Trim(address, "[]"), ""
		}
		port = cmp.Or(port, "6379")
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("has an invalid address %q: write HOST or HOST:PORT, with a port from 1 to 65535", address)
		}
		list = append(list, net.JoinHostPort(host, port))
	}
	return list, nil
}

// database returns the number of the database, which comes after the host or in a parameter.
func database(u *url.URL, query url.Values) (int, error) {
	number, inPath := query.Get("db"), ""
	if u.Scheme != "unix" {
		inPath = strings.Trim(u.Path, "/")
	}
	if number != "" && inPath != "" {
		return 0, fmt.Errorf("has a database after the host and the parameter db: remove one of them")
	}
	if number = cmp.Or(number, inPath); number == "" {
		return 0, nil
	}
	db, err := strconv.Atoi(number)
	if err != nil || db < 0 {
		return 0, fmt.Errorf("has an invalid database %q: write a number, 0 or more", number)
	}
	if db > 0 && query.Has("addr") && !query.Has("master_set") {
		return 0, fmt.Errorf("has the database %d, but a cluster has only database 0: remove it, or name the master_set of the sentinels", db)
	}
	return db, nil
}

// credentials returns a function that gets the user name and the password for each connection,
// or nil if there is no password.
func credentials(u *url.URL, query url.Values) (func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error), error) {
	user := u.User.Username()
	password, given := u.User.Password()
	path := query.Get("password_file")
	switch {
	case given && query.Has("password_file"):
		return nil, fmt.Errorf("has both a password and password_file: remove one of them")
	case given:
		return func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
			return rueidis.AuthCredentials{Username: user, Password: password}, nil
		}, nil
	case path == "":
		return nil, nil
	}
	if _, err := readPassword(path); err != nil {
		return nil, err
	}
	return func(rueidis.AuthCredentialsContext) (rueidis.AuthCredentials, error) {
		password, err := readPassword(path)
		return rueidis.AuthCredentials{Username: user, Password: password}, err
	}, nil
}

func tlsConfig(query url.Values) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if path := query.Get("ca_file"); path != "" {
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("names a ca_file, %s, that contains no PEM certificate", path)
		}
	}
	certificate, key := query.Get("cert_file"), query.Get("key_file")
	if (certificate == "") != (key == "") {
		return nil, fmt.Errorf("has only one of cert_file and key_file: set both or neither")
	}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("names an unusable pair of cert_file and key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// maxSecretFile is the maximum size of a file that a URL names, in bytes.
const maxSecretFile = 1 << 20

func readPassword(path string) (string, error) {
	data, err := readFile(path)
	if err != nil {
		return "", err
	}
	password := string(bytes.TrimRight(data, "\r\n"))
	if password == "" {
		return "", fmt.Errorf("names a password file, %s, that is empty", path)
	}
	return password, nil
}

// readFile reads a regular file. Opening a FIFO would block forever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("names a file that cannot be read: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("names %s, which is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("names a file that cannot be read: %w", err)
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxSecretFile))
}
