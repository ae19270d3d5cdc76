package oidcprovider

import (
	"context"
	"fmt"
	"net/http"
)

// loginPath is where the library's clients send people to.
const loginPath = "/login/username"

// login is the form in which people prove who they are. The form is sent to
// the address it came from, which names the request it is about.
type login struct {
	storage  *store
	callback func(ctx context.Context, request string) string
}

func (l login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.URL.Query().Get("authRequestID")
	if r.Method != http.MethodPost {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintln(w, `<form method="post"><input name="username"><input name="password" type="password"><button>Log in</button></form>`)
		return
	}
	if err := l.storage.CheckUsernamePassword(r.PostFormValue("username"), r.PostFormValue("password"), request); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	http.Redirect(w, r, l.callback(r.Context(), request), http.StatusFound)
}
