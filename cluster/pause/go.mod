module softonit.ru/licence/cluster/pause

go 1.25
