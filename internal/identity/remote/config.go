package remote

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// Connection is what the configuration says of how to reach the host that a
// source asks.
type Connection struct {
	// CAFile has the authorities to trust, in PEM; "" for the system's.
	CAFile string `yaml:"caFile"`
	// CertFile and KeyFile are a client certificate, in PEM. Files are read again
	// when they change.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
	// ProxyURL is the proxy to use; "" for what the environment says (HTTPS_PROXY,
	// NO_PROXY).
	ProxyURL string `yaml:"proxyURL"`
	// Timeout bounds one verification, or one fetching of keys.
	Timeout time.Duration `yaml:"timeout"`
}

// DefaultConnection is that of a source whose configuration says nothing.
func DefaultConnection() Connection { return Connection{Timeout: defaultConnectionTimeout} }

// Check checks what the configuration says at path.
func (o *Connection) Check(c sources.Checker, path string) {
	c.File(path+".caFile", &o.CAFile)
	c.File(path+".certFile", &o.CertFile)
	c.File(path+".keyFile", &o.KeyFile)
	switch {
	case !c.Readable(path+".certFile") || !c.Readable(path+".keyFile"):
	case o.CertFile != "" && o.KeyFile == "":
		c.Add(path+".certFile", "needs keyFile, the private key that belongs to it")
	case o.CertFile == "" && o.KeyFile != "":
		c.Add(path+".keyFile", "needs certFile, the certificate that belongs to it")
	}
	if o.ProxyURL != "" && c.Readable(path+".proxyURL") {
		parsed, err := url.Parse(o.ProxyURL)
		if err != nil || parsed.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, parsed.Scheme) {
			// It is not shown: it may hold a password.
			c.Add(path+".proxyURL", "is not the address of a proxy: write http://HOST:PORT, https:// or socks5://")
		}
	}
	c.Positive(path+".timeout", o.Timeout)
}

// Client reaches the host of the source called name, and has made keep the files
// of the connection up to date.
func (o *Connection) Client(name string, site *sources.Site, made *sources.Made) (*http.Client, error) {
	client, files, err := NewClient(ConnectionOptions{
		Subject:  "identity source " + name,
		CAFile:   o.CAFile,
		CertFile: o.CertFile,
		KeyFile:  o.KeyFile,
		ProxyURL: o.ProxyURL,
		Timeout:  o.Timeout,
	})
	if err != nil {
		return nil, err
	}
	onReload, onError := site.WatchCallbacks("connection", name)
	made.Run = append(made.Run, func(ctx context.Context) {
		files.Watch(ctx, onReload, onError)
		client.CloseIdleConnections()
	})
	return client, nil
}
