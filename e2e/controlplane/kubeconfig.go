package controlplane

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig for the run's apiserver. Everything it
// refers to is embedded, so that the file can be used from anywhere.
func (c *ControlPlane) writeKubeconfig(path, name string, user *clientcmdapi.AuthInfo) error {
	ca, err := os.ReadFile(c.clusterCA.File)
	if err != nil {
		return fmt.Errorf("read the cluster CA: %w", err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["e2e"] = &clientcmdapi.Cluster{
		Server:                   "https://" + c.apiAddress,
		CertificateAuthorityData: ca,
	}
	config.AuthInfos[name] = user
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: name}
	config.CurrentContext = "e2e"
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the folder of %s: %w", path, err)
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write the kubeconfig of %s: %w", name, err)
	}
	return nil
}

// CertificateKubeconfig writes a kubeconfig for a user known by a client
// certificate of the cluster CA and returns its path.
func (c *ControlPlane) CertificateKubeconfig(user string, groups ...string) (string, error) {
	path := c.kubeconfigPath(user)
	return path, c.certificateKubeconfig(path, user, groups...)
}

func (c *ControlPlane) certificateKubeconfig(path, user string, groups ...string) error {
	pair, err := c.clusterCA.Client(filepath.Join(c.Dir, "pki", "user-"+user), user, groups...)
	if err != nil {
		return err
	}
	certificate, err := os.ReadFile(pair.CertFile)
	if err != nil {
		return fmt.Errorf("read the certificate of %s: %w", user, err)
	}
	key, err := os.ReadFile(pair.KeyFile)
	if err != nil {
		return fmt.Errorf("read the key of %s: %w", user, err)
	}
	return c.writeKubeconfig(path, user, &clientcmdapi.AuthInfo{
		ClientCertificateData: certificate,
		ClientKeyData:         key,
	})
}

// TokenKubeconfig writes a kubeconfig for a user known by a bearer token and
// returns its path.
func (c *ControlPlane) TokenKubeconfig(user, token string) (string, error) {
	path := c.kubeconfigPath(user)
	return path, c.writeKubeconfig(path, user, &clientcmdapi.AuthInfo{Token: token})
}

// kubeconfigPath has no colon: it separates files in $KUBECONFIG.
func (c *ControlPlane) kubeconfigPath(user string) string {
	return filepath.Join(c.Dir, "kubeconfigs", strings.ReplaceAll(user, ":", "-")+".yaml")
}

// Anonymous returns a client that presents no credentials.
func (c *ControlPlane) Anonymous() (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.AdminKubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", c.AdminKubeconfig, err)
	}
	return clientFor(rest.AnonymousClientConfig(config))
}

// Client returns a client for a kubeconfig, without a client-side rate limit.
func Client(kubeconfig string) (kubernetes.Interface, error) {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig %s: %w", kubeconfig, err)
	}
	return clientFor(config)
}

func clientFor(config *rest.Config) (kubernetes.Interface, error) {
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client: %w", err)
	}
	return client, nil
}
