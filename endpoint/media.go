package endpoint

import (
	"mime"
	"strconv"
	"strings"
)

// The media types of responses (GraphQL over HTTP, section 4.2). Only mediaGraphQL has a status other than 200 for a
// document that is refused.
const (
	mediaGraphQL = "application/graphql-response+json"
	mediaJSON    = "application/json"
)

// negotiate returns the media type of a response for the Accept headers, or "" if none is acceptable. Without the
// header, or for any media type, it is application/json.
func negotiate(accept []string) string {
	if len(accept) == 0 {
		return mediaJSON
	}
	best, bestQuality := "", 0.0
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			offer := offerFor(strings.TrimSpace(name))
			if offer == "" {
				continue
			}
			if quality := qualityOf(parameters); quality > bestQuality {
				best, bestQuality = offer, quality
			}
		}
	}
	return best
}

func offerFor(mediaRange string) string {
	switch strings.ToLower(mediaRange) {
	case mediaGraphQL:
		return mediaGraphQL
	case mediaJSON, "*/*", "application/*":
		return mediaJSON
	}
	return ""
}

// qualityOf returns the parameter q of a media range, or 0 if its charset is not UTF-8.
func qualityOf(parameters string) float64 {
	quality := 1.0
	for parameter := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		switch strings.ToLower(name) {
		case "q":
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			quality = q
		case "charset":
			if !strings.EqualFold(strings.Trim(value, `"`), "utf-8") {
				return 0
			}
		}
	}
	return quality
}

// mediaType returns the media type of a header in lower case and without parameters, or "". Common values need no
// parsing.
func mediaType(value string) string {
	if value == mediaJSON || value == mediaGraphQL {
		return value
	}
	media, _, err := mime.ParseMediaType(value)
	if err != nil {
		return ""
	}
	return media
}

// isJSON reports whether a Content-Type is JSON in UTF-8, the only encoding of JSON (RFC 8259, section 8.1).
func isJSON(contentType string) bool {
	if contentType == mediaJSON {
		return true
	}
	media, parameters, err := mime.ParseMediaType(contentType)
	charset, given := parameters["charset"]
	return err == nil && media == mediaJSON && (!given || strings.EqualFold(charset, "utf-8"))
}
