package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// WebhookFlags is the flags form of the connection to verdict: tokens, and
// authorization before RBAC. Version is v1, v1beta1, or empty for the
// apiserver's own default. The apiserver's caches are off, so that every
// answer is a fresh one.
func (c *ControlPlane) WebhookFlags(version string) []string {
	flags := append(c.authenticationFlags(version),
		"--authorization-mode=Webhook,RBAC",
		"--authorization-webhook-config-file="+filepath.Join(c.ConnectionDir(), "authorization-webhook.kubeconfig.yaml"),
		"--authorization-webhook-cache-authorized-ttl=0s",
		"--authorization-webhook-cache-unauthorized-ttl=0s",
	)
	if version != "" {
		flags = append(flags, "--authorization-webhook-version="+version)
	}
	return flags
}

// authenticationFlags has the apiserver ask verdict about tokens.
func (c *ControlPlane) authenticationFlags(version string) []string {
	flags := []string{
		"--authentication-token-webhook-config-file=" + filepath.Join(c.ConnectionDir(), "authentication-webhook.kubeconfig.yaml"),
		"--authentication-token-webhook-cache-ttl=0s",
	}
	if version != "" {
		flags = append(flags, "--authentication-token-webhook-version="+version)
	}
	return flags
}

// ConfigurationFlags is the AuthorizationConfiguration form.
func (c *ControlPlane) ConfigurationFlags() []string {
	return append(c.authenticationFlags("v1"),
		"--authorization-config="+filepath.Join(c.ConnectionDir(), "authorization-config.yaml"))
}

// PlainFlags authorizes with RBAC alone; verdict takes no part.
func PlainFlags() []string { return []string{"--authorization-mode=RBAC"} }

// EnsureAPIServer runs an apiserver with these flags beside the ones every
// run needs, and waits until it is ready. One that runs with the same flags
// is left as it is, one with others is replaced.
func (c *ControlPlane) EnsureAPIServer(ctx context.Context, flags []string) error {
	if c.apiserver != nil && c.apiserver.Running() && slices.Equal(flags, c.apiFlags) {
		return nil
	}
	c.apiserver.Kill()
	for attempt := 1; ; attempt++ {
		if err := c.writeKubeconfigs(); err != nil {
			return err
		}
		c.apiFlags = slices.Clone(flags)
		process, err := c.launchAPIServer()
		if err != nil {
			return err
		}
		c.apiserver = process
		err = process.waitFor(ctx, c.apiServerReady)
		if err == nil || attempt == bindAttempts || !addressTaken(process) {
			return err
		}
		if c.apiAddress, err = FreeAddress(); err != nil {
			return err
		}
	}
}

// launchAPIServer starts the program.
func (c *ControlPlane) launchAPIServer() (*Process, error) {
	return startProcess("kube-apiserver", c.log("kube-apiserver"), c.Binaries.APIServer, append(c.commonFlags(), c.apiFlags...)...)
}

func (c *ControlPlane) apiServerReady(ctx context.Context) error {
	admin, err := c.adminTLS()
	if err != nil {
		return err
	}
	return get(ctx, c.APIServerURL()+"/readyz", admin)
}

// KillAPIServer ends the apiserver; the next EnsureAPIServer starts another.
func (c *ControlPlane) KillAPIServer() { c.apiserver.Kill() }

func (c *ControlPlane) commonFlags() []string {
	return []string{
		"--etcd-servers=http://" + c.etcdAddress,
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		"--secure-port=" + port(c.apiAddress),
		"--cert-dir=" + c.pki("apiserver-self"),
		"--tls-cert-file=" + c.pki("apiserver.crt"),
		"--tls-private-key-file=" + c.pki("apiserver.key"),
		"--client-ca-file=" + c.clusterCA.File,
		"--service-account-issuer=" + Audience,
		"--api-audiences=" + Audience,
		"--service-account-key-file=" + c.pki("service-accounts.pub"),
		"--service-account-signing-key-file=" + c.pki("service-accounts.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--endpoint-reconciler-type=none",
		"--allow-privileged=true",
		// There is no controller manager to make service accounts or to
		// take the not-ready taint away.
		"--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
	}
}

// adminTLS is a TLS configuration of the administrator.
func (c *ControlPlane) adminTLS() (*tls.Config, error) {
	return clientTLS(c.clusterCA.File, Pair{CertFile: c.pki("user-admin.crt"), KeyFile: c.pki("user-admin.key")})
}

// clientTLS trusts one authority and presents one certificate.
func clientTLS(caFile string, pair Pair) (*tls.Config, error) {
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("read a CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("read a client certificate: %w", err)
	}
	return &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{certificate}}, nil
}
