package oidcprovider

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

const callbackPath = "/callback"

// IDToken logs username in at a client and returns the ID token, which the
// client has verified. All is done as by a person with a browser: the
// authorization code flow with PKCE (RFC 7636), through the login form.
func (p *Provider) IDToken(ctx context.Context, clientID, username string) (string, error) {
	trusting, err := p.client()
	if err != nil {
		return "", err
	}
	defer trusting.CloseIdleConnections()
	mux := http.NewServeMux()
	application := httptest.NewServer(mux)
	defer application.Close()
	cookies := httphelper.NewCookieHandler([]byte(rand.Text()), nil, httphelper.WithUnsecure())
	party, err := rp.NewRelyingPartyOIDC(ctx, p.Issuer(), clientID, "", application.URL+callbackPath, scopes,
		rp.WithHTTPClient(trusting), rp.WithPKCE(cookies))
	if err != nil {
		return "", fmt.Errorf("discover the provider: %w", err)
	}
	mux.Handle("/", rp.AuthURLHandler(rand.Text, party))
	mux.Handle(callbackPath, rp.CodeExchangeHandler(func(w http.ResponseWriter, _ *http.Request, tokens *oidc.Tokens[*oidc.IDTokenClaims], _ string, _ rp.RelyingParty) {
		_, _ = io.WriteString(w, tokens.IDToken)
	}, party))

	browser := *trusting
	if browser.Jar, err = cookiejar.New(nil); err != nil {
		return "", fmt.Errorf("make a cookie jar: %w", err)
	}
	form, _, err := visit(ctx, &browser, http.MethodGet, application.URL, nil)
	if err != nil {
		return "", fmt.Errorf("go to the login form: %w", err)
	}
	_, token, err := visit(ctx, &browser, http.MethodPost, form.String(), url.Values{"username": {username}, "password": {password}})
	if err != nil {
		return "", fmt.Errorf("log in as %s: %w", username, err)
	}
	return token, nil
}

// visit follows redirects and returns the page they end at.
func visit(ctx context.Context, browser *http.Client, method, address string, fields url.Values) (*url.URL, string, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(fields.Encode()))
	if err != nil {
		return nil, "", err
	}
	if fields != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := browser.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, "", err
	}
	if response.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s: %s: %s", response.Request.URL.Path, response.Status, page)
	}
	return response.Request.URL, string(page), nil
}

// client is one that trusts the provider's authority.
func (p *Provider) client() (*http.Client, error) {
	pem, err := os.ReadFile(p.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read the provider's CA: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true},
		Timeout:   30 * time.Second,
	}, nil
}
