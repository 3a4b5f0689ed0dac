.PHONY: bench bench-quick bench-growth

# About 10 minutes; writes the table into bench/README.md.
bench:
	go run ./bench -write

# Under 2 minutes; writes nothing.
bench-quick:
	go run ./bench -quick

# About 3 minutes; writes the growth tables into bench/README.md.
bench-growth:
	go run ./bench -growth -write
