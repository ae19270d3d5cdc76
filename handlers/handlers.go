// Package handlers speaks Kubernetes' webhook protocols: it turns requests
// into inputs, asks package policy, and turns decisions into answers. It holds
// no policy and evaluates no Rego.
package handlers

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/verdict-dev/verdict/policy"
	"github.com/verdict-dev/verdict/policy/cache"
	"github.com/verdict-dev/verdict/policy/identity"
	"github.com/verdict-dev/verdict/policy/nodes"
	"github.com/verdict-dev/verdict/policy/scheduling"
	"github.com/verdict-dev/verdict/policy/sealer"
)

// Revisions gives the policy to decide by.
type Revisions interface {
	// View returns what to decide by now, nil when no revision is loaded yet.
	View() *policy.View
}

// Verifier verifies tokens.
type Verifier interface {
	// Verify returns what the token proves. An error for which
	// errors.Is(err, identity.ErrUnknownToken) holds is a definite no, and
	// identity.ErrNotLoaded one of a source that was not read for the first time;
	// any other is a fault that may pass.
	Verify(ctx context.Context, token string) (identity.Identity, error)
	// Generation grows whenever Verify may answer differently than before.
	Generation() uint64
}

// OnError is what authorization answers when the policy itself fails.
type OnError string

// The values of authorization.onError.
const (
	OnErrorDeny      OnError = "deny"
	OnErrorNoOpinion OnError = "noOpinion"
)

// OnUnavailable is what authorization answers when there is no time to decide.
type OnUnavailable string

// The values of authorization.onUnavailable.
const (
	OnUnavailable503  OnUnavailable = "unavailable"
	OnUnavailableDeny OnUnavailable = "deny"
)

// Options are what the handlers need. Every field is required unless it says otherwise.
type Options struct {
	Revisions Revisions
	// Verifier verifies tokens.
	Verifier Verifier
	// Nodes are the cluster's nodes; nil without a cluster, and then calls that
	// name nodes instead of sending them are answered with an Error.
	Nodes scheduling.Nodes
	// Cluster is what preempt and bind need, and takes the place of Nodes; nil
	// without a cluster, and then these are answered with an Error.
	Cluster scheduling.Cluster
	// PodState reads a v1 Pod, as JSON that it does not keep, into what policies
	// see of victims that come whole. Nil: these are answered with an Error where
	// a policy protects pods.
	PodState func(text []byte) (*nodes.Pod, error)
	// Profiles are those of policy.Entries. May be empty.
	Profiles []string
	Metrics  *Metrics
	Log      *zap.Logger

	// Audiences are assumed for a TokenReview that names none. May be empty.
	Audiences     []string
	OnError       OnError
	OnUnavailable OnUnavailable

	// Callers are the certificate names admitted per point; "*" admits every
	// verified certificate. Nil, without mutual TLS, admits everyone.
	Callers map[policy.Point][]string
	// PeerNames are the names in a client certificate. Required with Callers.
	PeerNames func(*x509.Certificate) []string

	// Cache bounds what is kept; the zero value keeps nothing.
	Cache CacheOptions

	// MaxInFlight is how many reviews are worked on at a time, and as many calls
	// of each verb of each profile.
	MaxInFlight     int
	ReviewBytes     int64 // largest body of a review
	SchedulingBytes int64 // largest body of an extender call
	// ReviewValues and SchedulingValues are the most JSON values of such a body,
	// and ObjectValues of one Pod or Node in an extender call. 0 is the default.
	ReviewValues, SchedulingValues, ObjectValues int
	// BytesInFlight bounds what bodies, and what becomes of them, take together: a
	// quarter of it is for reviews and the rest for extender calls. 0 is the default.
	BytesInFlight int64
	// DecisionTimeout bounds a decision, however long the caller would wait.
	DecisionTimeout time.Duration
	// ReadTimeout is when the server itself gives up reading a request; 0 for never.
	ReadTimeout time.Duration
	// SchedulingTimeout bounds an extender call, which names no deadline.
	SchedulingTimeout time.Duration
}

// CacheOptions are the cache.Budget of the whole process, of which the handlers take
// the shares of answers to access reviews, of answers to token reviews, and of nodes
// that came whole in scheduler calls.
type CacheOptions = cache.Budget

// bindingBytes is the largest body of a bind call, whatever a review's may be:
// it holds four names, and calls that wait in turn keep theirs.
const bindingBytes = 256 << 10

// reviewsPart is the part of BytesInFlight that is for reviews, as a divisor.
const reviewsPart = 4

// New returns the handler of the webhook listener.
func New(o Options) http.Handler {
	o.ReviewValues = cmp.Or(o.ReviewValues, DefaultReviewValues)
	o.SchedulingValues = cmp.Or(o.SchedulingValues, DefaultSchedulingValues)
	o.ObjectValues = cmp.Or(o.ObjectValues, DefaultObjectValues)
	o.BytesInFlight = cmp.Or(o.BytesInFlight, DefaultBytesInFlight)
	h := &handler{
		Options:       o,
		sealer:        sealer.New(),
		faults:        o.Log.WithOptions(zap.WrapCore(fewASecond)),
		refusals:      newRefusalLog(o.Log),
		nothingServed: nothingServed(),
		knownNodes:    newKnownNodes(o.Cache, len(o.Profiles), o.Metrics),
	}
	if o.Cluster != nil {
		h.Nodes = o.Cluster
	}
	reviews := newInFlight(o.MaxInFlight, "requests", o.Metrics)
	reviewMemory, callMemory := newMemory(o.BytesInFlight/reviewsPart, ownBytes), newMemory(o.BytesInFlight-o.BytesInFlight/reviewsPart, ownCallBytes)
	o.Metrics.watchMemory("reviews", reviewMemory)
	o.Metrics.watchMemory("scheduling", callMemory)
	reviewLimit := bodyLimit{o.ReviewBytes, o.ReviewValues, "reviewValues", reviewMemory}
	callLimit := bodyLimit{o.SchedulingBytes, o.SchedulingValues, "schedulingValues", callMemory}
	bindLimit := bodyLimit{min(o.ReviewBytes, bindingBytes), o.ReviewValues, "reviewValues", callMemory}

	r := chi.NewRouter()
	r.NotFound(h.notFound)
	r.MethodNotAllowed(h.methodNotAllowed)
	r.Use(h.recoverer)

	for i := range reviewKinds {
		kind := h.newServedReview(&reviewKinds[i])
		r.Method(http.MethodPost, kind.path, h.newEndpoint(kind.point, reviewVerb, reviewLimit, o.DecisionTimeout, kind.serve, reviews))
	}
	verbs := func(path, profile string) {
		for _, v := range []struct {
			name  string
			limit bodyLimit
			serve func(*call)
		}{
			{filterVerb, callLimit, h.filter},
			{prioritizeVerb, callLimit, h.prioritize},
			{preemptVerb, callLimit, h.preempt},
			{bindVerb, bindLimit, h.bind},
		} {
			places := newInFlight(o.MaxInFlight, v.name+" requests", o.Metrics)
			e := h.newEndpoint(policy.SchedulingPoint, v.name, v.limit, o.SchedulingTimeout, v.serve, places)
			e.profile, e.scheduled = profile, o.Metrics.scheduled.WithLabelValues(profile, v.name)
			r.Method(http.MethodPost, path+v.name, h.named(e))
		}
	}
	verbs("/scheduler/", defaultProfile)
	verbs("/scheduler/{profile}/", unknownProfile)
	for _, name := range o.Profiles {
		verbs("/scheduler/"+name+"/", name)
	}
	return r
}

func fewASecond(core zapcore.Core) zapcore.Core {
	const first = 5
	return zapcore.NewSamplerWithOptions(core, time.Second, first, 0)
}

// named answers 404 at an empty name of a profile, which the router lets through.
func (h *handler) named(e *endpoint) http.Handler {
	if e.profile != unknownProfile {
		return e
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if chi.URLParam(r, "profile") == "" {
			h.notFound(w, r)
			return
		}
		e.ServeHTTP(w, r)
	})
}

type handler struct {
	Options
	sealer     *sealer.Sealer
	knownNodes *knownNodes
	// faults logs what any caller with a made-up token can cause: the first
	// few of a kind in a second.
	faults        *zap.Logger
	refusals      *refusalLog
	nothingServed string
}

func (h *handler) notFound(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusNotFound, h.nothingServed)
}

// nothingServed is the answer to a path that there is not.
func nothingServed() string {
	var paths strings.Builder
	for i := range reviewKinds {
		paths.WriteString(reviewKinds[i].path + ", ")
	}
	return "nothing is served at this path; webhooks are " + paths.String() + "and /scheduler/VERB or /scheduler/PROFILE/VERB, where VERB is filter, prioritize, preempt or bind"
}

func (h *handler) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", http.MethodPost)
	writeStatus(w, http.StatusMethodNotAllowed, "method "+printable(r.Method)+" is not served here; use POST")
}
