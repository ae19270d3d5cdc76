package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// Extender is a scheduler extender that decides nothing: it decodes calls with
// encoding/json, as any extender in Go does, and accepts every node.
const Extender = "do-nothing extender"

// ExtenderPrefix is where it serves filter and prioritize, as verdict does.
const ExtenderPrefix = "/scheduler"

// ServeExtender is that extender, until ctx ends.
func ServeExtender(ctx context.Context, address string) error {
	router := chi.NewRouter()
	router.Post(ExtenderPrefix+"/filter", extend(func(args extenderv1.ExtenderArgs) any {
		return extenderv1.ExtenderFilterResult{Nodes: args.Nodes, NodeNames: args.NodeNames}
	}))
	router.Post(ExtenderPrefix+"/prioritize", extend(func(args extenderv1.ExtenderArgs) any {
		scores := extenderv1.HostPriorityList{}
		if args.NodeNames != nil {
			for _, name := range *args.NodeNames {
				scores = append(scores, extenderv1.HostPriority{Host: name})
			}
		}
		return scores
	}))
	// scheduler_perf waits for idle connections to end before it does.
	server := &http.Server{Addr: address, Handler: router, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 3 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the do-nothing extender: %w", err)
	}
	return nil
}

func extend(answer func(extenderv1.ExtenderArgs) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		var args extenderv1.ExtenderArgs
		if err := json.Unmarshal(body, &args); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		text, err := json.Marshal(answer(args))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text) // the client went away
	}
}
