package main

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestAProjectIsMeasuredNearAndFar(t *testing.T) {
	at := []away{
		{0, []benchCase{{"put", 1 << 10, 1}, {"get", 1 << 10, 4}}},
		{farRoundTrip, []benchCase{{"get", 1 << 10, 1}}},
	}
	all, err := measureSupabase(t.Context(), buildPlugin(t, "supabase"), at, brief, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	figures := make(map[string]figure)
	addSupabase(figures, all)
	checkWritten(
		t, figures,
		"supabase/put/1024/1/http/p50_us", "supabase/put/1024/1/pgx/p50_us", "supabase/put/1024/1/child/times_http",
		"supabase/get/1024/4/builtin/ops_per_s", "supabase/get/1024/4/pgx/times_http",
		"supabase/5ms/get/1024/1/http/p50_us", "supabase/5ms/get/1024/1/child/times_http",
	)
	for _, who := range []string{nameHTTP, nameChild} {
		key := "supabase/5ms/get/1024/1/" + who + "/p50_us"
		if f := figures[key]; f.Min < float64(farRoundTrip/time.Microsecond) {
			t.Errorf("%s is %+v, less than the network takes", key, f)
		}
	}
	var tables strings.Builder
	printSupabase(&tables, all)
	for _, row := range []string{"put  1 KiB        1  p50 µs", "get  1 KiB        4  op/s", "get  1 KiB        1  p50 µs"} {
		if !strings.Contains(tables.String(), row) {
			t.Errorf("no row %q:\n%s", row, &tables)
		}
	}
}

func TestALimitIsHeldAgainstTheMedianRatio(t *testing.T) {
	for name, test := range map[string]struct {
		c         benchCase
		http, our []float64
		want      string
	}{
		"a little slower":        {benchCase{"put", 1, 1}, []float64{100, 100, 100}, []float64{114, 300, 90}, "met"},
		"too slow":               {benchCase{"put", 1, 1}, []float64{100, 100, 100}, []float64{116, 116, 90}, "NOT MET"},
		"gets that share":        {benchCase{"get", 1, 64}, []float64{100}, []float64{200}, "met"},
		"gets that do not":       {benchCase{"get", 1, 64}, []float64{100}, []float64{199}, "NOT MET"},
		"puts need not be quick": {benchCase{"put", 1, 64}, []float64{100}, []float64{1}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := result{test.c, map[string][]float64{nameHTTP: test.http, nameChild: test.our}}
			if got := verdict(r, nameHTTP, nameChild, supabaseLimit(test.c)); got[1] != test.want {
				t.Errorf("the verdict is %v, want %s", got, test.want)
			}
		})
	}
}

func TestADelayHoldsBackBothDirections(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	network, err := delayTo(server.Addr().String(), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("tcp", network.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	echo, err := server.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()

	begin := time.Now()
	for _, way := range []struct{ from, to net.Conn }{{client, echo}, {echo, client}} {
		if _, err := io.WriteString(way.from, "a line\n"); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(way.to).ReadString('\n'); line != "a line\n" {
			t.Fatalf("%q came, %v", line, err)
		}
	}
	if took := time.Since(begin); took < 40*time.Millisecond {
		t.Errorf("there and back took %v", took)
	}
	if err := network.close(); err != nil {
		t.Error(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlived the network")
	}
}
