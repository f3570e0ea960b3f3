module mission-client-go

go 1.21
