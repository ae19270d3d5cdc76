package controlplane

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/kubernetes"
)

const (
	// Audience is what the apiserver accepts tokens for.
	Audience = "https://kubernetes.default.svc.cluster.local"

	// VerdictUser is the name verdict is known by when it asks the apiserver
	// for something. A policy can't give it out: it is a system: name.
	VerdictUser = "system:verdict"

	// startLimit is generous: machines that run this may have other work.
	startLimit = 90 * time.Second
)

// ControlPlane is one control plane and the verdict process beside it. Its
// methods are for one goroutine, but for the Kubectl functions, which may be
// called from many.
type ControlPlane struct {
	// Dir holds everything of this run.
	Dir string
	// Binaries are the programs it runs.
	Binaries Binaries
	// AdminKubeconfig is for a member of system:masters.
	AdminKubeconfig string

	deploy        string
	verdictBinary string
	clusterCA     *CA
	verdictCA     *CA

	etcdAddress       string
	etcdPeerAddress   string
	apiAddress        string
	schedulerAddress  string
	verdictAddress    string
	operationsAddress string

	etcd      *Process
	apiserver *Process
	scheduler *Process
	verdict   *Process

	apiFlags []string
}

// New prepares a control plane: it builds what is missing, issues the
// certificates, installs the files of deploy/ and starts etcd. Progress of
// what takes long is said on progress. The caller must Close the result.
func New(ctx context.Context, progress io.Writer) (_ *ControlPlane, err error) {
	binaries, err := cachedBinaries(ctx, progress)
	if err != nil {
		return nil, err
	}
	deploy, err := DeployDir(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := newWorkspace()
	if err != nil {
		return nil, err
	}
	c := &ControlPlane{Dir: dir, Binaries: binaries, deploy: deploy}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	for _, sub := range []string{"logs", "home", "pki"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("make the working directory of the run: %w", err)
		}
	}
	if err := c.chooseAddresses(); err != nil {
		return nil, err
	}
	if err := c.issueCertificates(); err != nil {
		return nil, err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return nil, err
	}
	c.verdictBinary = filepath.Join(dir, "verdict")
	if err := buildVerdict(ctx, c.verdictBinary); err != nil {
		return nil, err
	}
	if err := c.startEtcd(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Close ends every process and removes the run's directory. It may be called
// more than once.
func (c *ControlPlane) Close() error {
	for _, process := range []*Process{c.scheduler, c.apiserver, c.verdict, c.etcd} {
		process.Kill()
	}
	if err := os.RemoveAll(c.Dir); err != nil {
		return fmt.Errorf("remove the working directory of the run: %w", err)
	}
	return nil
}

// Admin is a client of a member of system:masters: no authorizer is asked.
func (c *ControlPlane) Admin() (kubernetes.Interface, error) {
	return Client(c.AdminKubeconfig)
}

// APIServerURL is where the apiserver listens, without a trailing slash.
func (c *ControlPlane) APIServerURL() string { return "https://" + c.apiAddress }

// ClusterCA is the authority that the apiserver's certificate is from, and
// whose client certificates it accepts.
func (c *ControlPlane) ClusterCA() *CA { return c.clusterCA }

// VerdictURL is where verdict answers webhooks, without a trailing slash.
func (c *ControlPlane) VerdictURL() string { return "https://" + c.verdictAddress }

// OperationsURL is where verdict answers /readyz and /metrics.
func (c *ControlPlane) OperationsURL() string { return "http://" + c.operationsAddress }

// VerdictDir is the run's /etc/verdict.
func (c *ControlPlane) VerdictDir() string { return filepath.Join(c.Dir, "etc-verdict") }

// kubernetesDir is the run's /etc/kubernetes.
func (c *ControlPlane) kubernetesDir() string { return filepath.Join(c.Dir, "etc-kubernetes") }

// ConnectionDir holds the files by which the control plane reaches verdict:
// the run's /etc/kubernetes/verdict.
func (c *ControlPlane) ConnectionDir() string { return filepath.Join(c.kubernetesDir(), "verdict") }

func (c *ControlPlane) log(name string) string {
	return filepath.Join(c.Dir, "logs", name+".log")
}

func (c *ControlPlane) pki(name string) string {
	return filepath.Join(c.Dir, "pki", name)
}

// chooseAddresses picks those that others must know beforehand. etcd's is
// chosen when it starts.
func (c *ControlPlane) chooseAddresses() error {
	for _, address := range []*string{&c.apiAddress, &c.verdictAddress, &c.operationsAddress} {
		free, err := FreeAddress()
		if err != nil {
			return err
		}
		*address = free
	}
	return nil
}

// issueCertificates makes two authorities, since sharing one would let every
// holder of a cluster certificate call verdict: the cluster's, and the one
// for the connections to verdict.
func (c *ControlPlane) issueCertificates() (err error) {
	if c.clusterCA, err = NewCA("e2e cluster CA", c.pki("ca.crt")); err != nil {
		return err
	}
	if _, err = c.clusterCA.Server(c.pki("apiserver"), "kube-apiserver", "kubernetes", "kubernetes.default", "kubernetes.default.svc"); err != nil {
		return err
	}
	serviceAccounts, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	if err := writeKey(c.pki("service-accounts.key"), serviceAccounts); err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(serviceAccounts.Public())
	if err != nil {
		return fmt.Errorf("encode the service account key: %w", err)
	}
	if err := writePEM(c.pki("service-accounts.pub"), "PUBLIC KEY", public, 0o644); err != nil {
		return err
	}

	connection := c.ConnectionDir()
	if err := os.MkdirAll(connection, 0o755); err != nil {
		return fmt.Errorf("make the folder of the connection files: %w", err)
	}
	if c.verdictCA, err = NewCA("e2e verdict CA", filepath.Join(connection, "ca.crt")); err != nil {
		return err
	}
	if _, err := c.verdictCA.Client(filepath.Join(connection, "kube-apiserver"), "kube-apiserver"); err != nil {
		return err
	}
	if _, err := c.verdictCA.Client(filepath.Join(connection, "kube-scheduler"), "kube-scheduler"); err != nil {
		return err
	}
	serving := filepath.Join(c.VerdictDir(), "tls")
	if _, err := c.verdictCA.Server(filepath.Join(serving, "tls"), "verdict"); err != nil {
		return err
	}
	ca, err := os.ReadFile(c.verdictCA.File)
	if err != nil {
		return fmt.Errorf("read the verdict CA: %w", err)
	}
	return writeFile(filepath.Join(serving, "client-ca.crt"), string(ca))
}

// writeKubeconfigs writes those of the components; it is called again when
// the apiserver has to move to another port.
func (c *ControlPlane) writeKubeconfigs() error {
	admin, err := c.CertificateKubeconfig("admin", "system:masters")
	if err != nil {
		return err
	}
	c.AdminKubeconfig = admin
	if err := c.certificateKubeconfig(filepath.Join(c.kubernetesDir(), "scheduler.conf"), "system:kube-scheduler"); err != nil {
		return err
	}
	return c.certificateKubeconfig(filepath.Join(c.VerdictDir(), "kubeconfig.yaml"), VerdictUser)
}

// get succeeds when url answers 200.
func get(ctx context.Context, url string, config *tls.Config) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return fmt.Errorf("get %s: %w", url, err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s: %s", url, response.Status, body)
	}
	return nil
}
