// Package main is a MongoDB server for the tests: FerretDB in one process, its data in SQLite files.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	addr := flag.String("addr", "", "where to listen, as host:port (required)")
	dir := flag.String("dir", "", "the folder of the data, made if missing (required)")
	flag.Parse()

	// FerretDB makes no folders, and takes only an address that ends in a slash for one.
	must(os.MkdirAll(*dir, 0o755))
	// Embedded, FerretDB starts no telemetry reporter and marks telemetry as disabled: it calls nobody.
	db, err := ferretdb.New(&ferretdb.Config{
		Handler:   "sqlite",
		SQLiteURL: "file:" + *dir + "/",
		Listener:  ferretdb.ListenerConfig{TCP: *addr},
		// Below errors it reports every connection that comes or goes.
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	must(err)

	// Ended by a signal it closes its SQLite files, so that the next start finds them without a journal.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go announce(*addr)
	must(db.Run(ctx))
}

// Tests wait for this line instead of guessing, so it comes only once a client gets through.
func announce(addr string) {
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			conn.Close()
			fmt.Println("ready", addr)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
