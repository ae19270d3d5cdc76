package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

// Options configure a watch. The zero value is valid.
type Options struct {
	// OnChange is called after an object was added, changed or removed, in the order of
	// the changes. It must return quickly.
	OnChange func(name string)
	// OnError is called when the objects cannot be listed or watched, at each attempt,
	// and when one cannot be decoded. It must return quickly and may be called from
	// several goroutines.
	OnError func(error)
	// Now is the clock that contact is measured by. Default time.Now.
	Now func() time.Time
}

// watcher runs an informer, and knows its state.
type watcher struct {
	what     string // in messages: "nodes"
	host     string
	onError  func(error)
	onChange func(name string)
	now      func() time.Time
	contact  *contact
	client   rest.Interface
	informer cache.SharedIndexInformer
	received cache.ResourceEventHandlerRegistration
}

// endGrace is how long run waits for client-go to end.
const endGrace = time.Second

// newWatcher returns a watcher with a client for the core group, and no informer.
func newWatcher(config *rest.Config, what string, options Options) (*watcher, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.OnError == nil {
		options.OnError = func(error) {}
	}
	if options.OnChange == nil {
		options.OnChange = func(string) {}
	}
	w := &watcher{
		what:     what,
		host:     shownHost(config.Host),
		onError:  options.OnError,
		onChange: options.OnChange,
		now:      options.Now,
		contact:  &contact{now: options.Now},
	}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return w.contact.wrap(next, w.failed) })
	client, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("a client for the API server at %s: %w", w.host, err)
	}
	w.client = client.RESTClient()
	return w, nil
}

// inform makes the informer of what source lists, objects like example. They are
// stored as transform returns them; put is called with new and changed objects, remove
// with deleted ones.
func (w *watcher) inform(source cache.ListerWatcher, example runtime.Object, transform cache.TransformFunc, put, remove func(object any)) error {
	w.informer = cache.NewSharedIndexInformerWithOptions(source, example, cache.SharedIndexInformerOptions{ObjectDescription: w.what})
	// These fail only on an informer that runs already.
	err := errors.Join(w.informer.SetTransform(transform), w.informer.SetWatchErrorHandlerWithContext(w.watchError))
	if err == nil {
		w.received, err = w.informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    put,
			UpdateFunc: func(_, changed any) { put(changed) },
			DeleteFunc: func(object any) {
				if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
					object = last.Obj
				}
				remove(object)
			},
		})
	}
	if err != nil {
		return fmt.Errorf("an informer of %s: %w", w.what, err)
	}
	return nil
}

// shownHost is the API server's address without a password it may hold.
func shownHost(host string) string {
	if address, err := url.Parse(host); err == nil {
		return address.Redacted()
	}
	return "its configured address"
}

// run runs the informer until ctx is done. It can be called once.
//
// While the API server refuses connections client-go may sit out an interval
// between two attempts before it ends. run returns without it then; it does
// nothing more.
func (w *watcher) run(ctx context.Context) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.informer.RunWithContext(ctx)
	}()
	<-ctx.Done()
	select {
	case <-ended:
	case <-time.After(endGrace):
	}
}

// Ready returns nil once all objects were received, else an error. It stays nil when
// contact is lost later; Status shows that.
func (w *watcher) Ready() error {
	if w.received.HasSynced() {
		return nil
	}
	if _, err := w.contact.state(); err != nil {
		return fmt.Errorf("the %s are not yet known: %w", w.what, err)
	}
	return fmt.Errorf("the %s are not yet known: waiting for the API server at %s", w.what, w.host)
}

// contactStatus is the time of the API server's last message, and the last error since
// then.
func (w *watcher) contactStatus() string {
	heardAt, err := w.contact.state()
	status := fmt.Sprintf("last contact with the API server at %s %s ago", w.host, w.now().Sub(heardAt).Round(time.Second))
	if err != nil {
		status += ", then: " + err.Error()
	}
	return status
}

// lastContact returns the time of the API server's last message, the zero time for
// none. A quiet watch gets a bookmark about every minute.
func (w *watcher) lastContact() time.Time {
	heardAt, _ := w.contact.state()
	return heardAt
}

// watchError implements cache.WatchErrorHandlerWithContext.
func (w *watcher) watchError(ctx context.Context, _ *cache.Reflector, err error) {
	// Requests that the end of run cancels are no faults.
	if ctx.Err() != nil {
		return
	}
	// It is normal that watches end and that old versions expire.
	if errors.Is(err, io.EOF) || apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || isRefusal(err) {
		return
	}
	w.failed(err)
}

func (w *watcher) failed(err error) {
	err = fmt.Errorf("watching %s at %s: %w", w.what, w.host, err)
	w.contact.failed(err)
	w.onError(err)
}
