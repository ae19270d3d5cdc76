package config
import ("testing";"time";"k8s.io/apimachinery/pkg/api/resource")
func TestZZ(t *testing.T){ for _, x := range []string{"1e99999","1e999999","1e9999999","1e99999999"} { s:=time.Now(); q,err:=resource.ParseQuantity(x); t.Log(x,err,time.Since(s)); _ = q.CmpInt64(5); t.Log(time.Since(s)); if time.Since(s)>5*time.Second {return} ; _ = q.Value(); t.Log(time.Since(s)) ; if time.Since(s)>5*time.Second {return} } }
