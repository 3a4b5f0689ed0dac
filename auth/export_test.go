package auth

var BearerToken = bearerToken
