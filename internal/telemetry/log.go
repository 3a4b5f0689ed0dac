package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/lmittmann/tint"
	"golang.org/x/term"
)

// NewLogger returns a logger that writes text or JSON. The format auto means text in a terminal, and JSON elsewhere.
func NewLogger(w io.Writer, format string, level slog.Level) *slog.Logger {
	file, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(file.Fd()))
	var handler slog.Handler = slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	if format == "text" || (format == "auto" && terminal) {
		handler = tint.NewTextHandler(w, &tint.Options{Level: level, TimeFormat: time.TimeOnly, NoColor: !terminal})
	}
	return slog.New(contextHandler{handler})
}

// contextHandler adds the request of the context to each log record.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, record slog.Record) error {
	if e := exchangeFrom(ctx); e != nil {
		record.AddAttrs(slog.String("request", e.id))
		if e.traceID != "" {
			record.AddAttrs(slog.String("trace", e.traceID))
		}
	}
	return h.Handler.Handle(ctx, record)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// write logs without the source line, whose lookup costs more than the rest.
func (t *Telemetry) write(ctx context.Context, level slog.Level, message string, attrs ...slog.Attr) {
	handler := t.log.Handler()
	if !handler.Enabled(ctx, level) {
		return
	}
	record := slog.NewRecord(time.Now(), level, message, 0)
	record.AddAttrs(attrs...)
	_ = handler.Handle(ctx, record)
}
