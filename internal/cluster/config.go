package cluster

import (
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	userAgent = "verdict"
	// Lists and watches are few and long; the limits are for when they fail.
	queriesPerSecond = 20
	queryBurst       = 40
)

// ClientConfig returns how to reach the API server: by the current context of
// the kubeconfig file, or, with inCluster, by the service account of the pod we
// run in. Exactly one of the two must be given. Nothing is connected to.
//
// Lists and watches made with it use protobuf, which costs a fraction of JSON on
// both sides.
func ClientConfig(kubeconfig string, inCluster bool) (*rest.Config, error) {
	config, err := loadConfig(kubeconfig, inCluster)
	if err != nil {
		return nil, err
	}
	config.UserAgent = userAgent
	config.QPS, config.Burst = queriesPerSecond, queryBurst
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	// A timeout would end watches as well; client-go finds dead connections
	// by pings.
	config.Timeout = 0
	return config, nil
}

func loadConfig(kubeconfig string, inCluster bool) (*rest.Config, error) {
	switch {
	case kubeconfig != "" && inCluster:
		return nil, errors.New("cluster.kubeconfig and cluster.inCluster exclude each other: set one")
	case inCluster:
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("cluster.inCluster: the service account of the pod: %w", err)
		}
		return config, nil
	case kubeconfig == "":
		return nil, errors.New("no cluster: set cluster.kubeconfig or cluster.inCluster")
	}

	// The loading rules make file names in the kubeconfig relative to it. What
	// they are not asked for is to try the pod's service account when the file
	// is empty.
	rules := clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	file, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	config, err := clientcmd.NewDefaultClientConfig(*file, &clientcmd.ConfigOverrides{}).ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		return nil, fmt.Errorf("kubeconfig %s: names no cluster: set current-context to one of its contexts", kubeconfig)
	}
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	return config, nil
}
