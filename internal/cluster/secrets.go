package cluster

import (
	"context"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/verdict-dev/verdict/internal/identity/sources"
)

// Secrets watches the Secrets of one namespace that have the label of token Secrets,
// and passes each on. It keeps nothing of their content, and reads no other Secrets.
//
// The methods may be called from several goroutines.
type Secrets struct {
	*watcher
	receiver sources.SecretReceiver // set by Run
}

var _ sources.SecretWatcher = (*Secrets)(nil)

// cachedSecret is what the informer stores in place of the v1 Secret.
type cachedSecret struct {
	metav1.ObjectMeta
	// content is not yet passed to the receiver; nil once it was.
	content atomic.Pointer[sources.TokenSecret]
}

// NewSecrets returns a watch of the namespace in the cluster that config leads
// to, which begins with Run.
func NewSecrets(config *rest.Config, namespace string, options Options) (*Secrets, error) {
	w, err := newWatcher(config, "token Secrets of namespace "+namespace, options)
	if err != nil {
		return nil, err
	}
	s := &Secrets{watcher: w}
	selector := labels.Set{sources.TokenSecretLabel: sources.TokenSecretLabelValue}.String()
	source := cache.NewFilteredListWatchFromClient(w.client, "secrets", namespace, func(options *metav1.ListOptions) {
		options.LabelSelector = selector
	})
	if err := w.inform(source, &corev1.Secret{}, s.transform, s.put, s.remove); err != nil {
		return nil, err
	}
	return s, nil
}

// Run passes the Secrets to receiver until ctx is done. An API server that cannot
// be reached is tried again, at growing intervals of up to about 30 s. It can be
// called once. client-go's own messages go to the logger in ctx
// (klog.NewContext), else to klog.
func (s *Secrets) Run(ctx context.Context, receiver sources.SecretReceiver) {
	s.receiver = receiver
	s.run(ctx)
}

// Status is a line for people: the time of the API server's last message, and the last
// error since then.
func (s *Secrets) Status() string {
	if err := s.Ready(); err != nil {
		return err.Error()
	}
	return s.contactStatus()
}

func (s *Secrets) put(object any) {
	cached, ok := object.(*cachedSecret)
	if !ok {
		return
	}
	if content := cached.content.Swap(nil); content != nil {
		s.receiver.SecretChanged(*content)
		s.onChange(cached.Name)
	}
}

func (s *Secrets) remove(object any) {
	if cached, ok := object.(*cachedSecret); ok {
		s.receiver.SecretRemoved(cached.Namespace, cached.Name)
		s.onChange(cached.Name)
	}
}

// transform implements cache.TransformFunc. Informers pass objects of a first
// list through it twice.
func (s *Secrets) transform(object any) (any, error) {
	secret, ok := object.(*corev1.Secret)
	if !ok {
		return object, nil
	}
	// After an interrupted watch all Secrets are listed again. Unchanged ones are not
	// passed to the receiver.
	if object, found, err := s.informer.GetIndexer().GetByKey(secret.Namespace + "/" + secret.Name); err == nil && found {
		cached, ok := object.(*cachedSecret)
		if ok && cached.UID == secret.UID && cached.ResourceVersion == secret.ResourceVersion {
			return cached, nil
		}
	}
	cached := &cachedSecret{ObjectMeta: metav1.ObjectMeta{
		Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion,
	}}
	cached.content.Store(&sources.TokenSecret{
		Namespace: secret.Namespace, Name: secret.Name,
		UID: string(secret.UID), ResourceVersion: secret.ResourceVersion,
		Type: string(secret.Type), Data: secret.Data,
	})
	return cached, nil
}
