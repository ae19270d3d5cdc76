package config

import (
	"time"
)

func (c *checker) cluster() {
	cluster := &c.config.Cluster
	c.file("cluster.kubeconfig", &cluster.Kubeconfig)
	if cluster.Kubeconfig != "" && cluster.InCluster {
		c.add("cluster.kubeconfig", "excludes cluster.inCluster: remove one of them")
	}
	c.notNegative("cluster.maxStaleness", cluster.MaxStaleness)
	if cluster.MaxStaleness > 0 && cluster.MaxStaleness < minStaleness && !c.undecoded["cluster.maxStaleness"] {
		c.add("cluster.maxStaleness", "must be at least %s, not %s: even a quiet watch brings a message of the API server only about once a minute. 0s turns the limit off", minStaleness, cluster.MaxStaleness)
	}
}

// minStaleness is more than a quiet watch waits for a bookmark, which kube-apiserver
// sends about every minute.
const minStaleness = 90 * time.Second
