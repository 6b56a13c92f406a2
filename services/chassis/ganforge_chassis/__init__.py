"""What coordinator and repository both stand on: problems, tokens, database, health, serving.

The name is the pattern's: a microservice chassis holds what every service needs and no service
is about (microservices.io, "Microservice chassis").
"""
