-- Two studies as hpo 0.1.0 left them before its files moved into folders such as studies/worker:
-- `digits-mlp`, an adaptive search in which 8 of 12 trials ended, one of them after its first attempt
-- was interrupted and queued again, and `digits-grid`, a design with 4 of 6 points still waiting.
-- The test replaces {{ARTIFACTS}} by a folder.
BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('v3.2.0.a');
CREATE TABLE hpo_workers (
	worker VARCHAR(512) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid INTEGER NOT NULL, 
	device VARCHAR(255) NOT NULL, 
	study_name VARCHAR(512), 
	trial_numbers JSON NOT NULL, 
	seen_at DATETIME DEFAULT CURRENT_TIMESTAMP, 
	PRIMARY KEY (worker)
);
CREATE TABLE studies (
	study_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	study_name VARCHAR(512) NOT NULL
);
INSERT INTO "studies" VALUES(1,'digits-mlp');
INSERT INTO "studies" VALUES(2,'digits-grid');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_directions" VALUES(1,'MAXIMIZE',1,0);
INSERT INTO "study_directions" VALUES(2,'MAXIMIZE',2,0);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_system_attributes" VALUES(1,1,'study:metric_names','["val_accuracy"]');
INSERT INTO "study_system_attributes" VALUES(2,2,'study:metric_names','["val_accuracy"]');
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "study_user_attributes" VALUES(1,1,'artifacts','"{{ARTIFACTS}}"');
INSERT INTO "study_user_attributes" VALUES(2,1,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "study_user_attributes" VALUES(3,1,'created_at','"2026-11-27T03:39:26.377607+00:00"');
INSERT INTO "study_user_attributes" VALUES(4,1,'budget','{"n_trials": 12, "timeout": null, "adaptive": true}');
INSERT INTO "study_user_attributes" VALUES(5,1,'definition','{"name": "digits-mlp", "objective": "mlp", "dataset": "digits", "metric": "val_accuracy", "direction": "maximize", "backend": "auto", "keep": 10, "data": {"train_size": null, "validation_fraction": 0.2, "seed": 0, "size": null, "n_images": null, "rotation": null}, "search": {"design": null, "sampler": "tpe", "pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 1}, "n_trials": 12, "timeout": null, "seed": 0, "replicates": 1, "enqueue": [], "default": {}, "repeats": "resample"}, "fixed": {"epochs": 4}, "space": {"hidden_units": [[16], [32]], "activation": ["relu", "tanh"], "learning_rate": {"low": 0.0001, "high": 0.1, "log": true}, "dropout": {"low": 0.05, "high": 0.5, "step": 0.05}}}');
INSERT INTO "study_user_attributes" VALUES(6,2,'artifacts','"{{ARTIFACTS}}"');
INSERT INTO "study_user_attributes" VALUES(7,2,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "study_user_attributes" VALUES(8,2,'created_at','"2026-11-27T03:39:31.135991+00:00"');
INSERT INTO "study_user_attributes" VALUES(9,2,'budget','{"n_trials": 6, "timeout": null, "adaptive": false}');
INSERT INTO "study_user_attributes" VALUES(10,2,'definition','{"name": "digits-grid", "objective": "mlp", "dataset": "digits", "metric": "val_accuracy", "direction": "maximize", "backend": "auto", "keep": 10, "data": {"train_size": null, "validation_fraction": 0.1, "seed": 0, "size": null, "n_images": null, "rotation": null}, "search": {"design": "grid", "sampler": null, "pruner": "none", "n_trials": null, "timeout": null, "seed": 0, "replicates": 1, "enqueue": [], "default": {}, "repeats": "resample"}, "fixed": {"epochs": 2, "hidden_units": [16]}, "space": {"activation": ["relu", "tanh", "elu"], "optimizer": ["adam", "rmsprop"]}}');
INSERT INTO "study_user_attributes" VALUES(11,1,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "study_user_attributes" VALUES(12,1,'begun_at','"2026-11-27T03:39:47.176524"');
INSERT INTO "study_user_attributes" VALUES(13,2,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "study_user_attributes" VALUES(14,2,'begun_at','"2026-11-27T03:40:17.763340"');
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_heartbeats" VALUES(1,7,'2026-11-27 03:39:47');
INSERT INTO "trial_heartbeats" VALUES(2,8,'2026-11-27 03:39:50');
INSERT INTO "trial_heartbeats" VALUES(3,9,'2026-11-27 03:40:03');
INSERT INTO "trial_heartbeats" VALUES(4,10,'2026-11-27 03:40:05');
INSERT INTO "trial_heartbeats" VALUES(5,11,'2026-11-27 03:40:07');
INSERT INTO "trial_heartbeats" VALUES(6,12,'2026-11-27 03:40:07');
INSERT INTO "trial_heartbeats" VALUES(7,13,'2026-11-27 03:40:07');
INSERT INTO "trial_heartbeats" VALUES(8,14,'2026-11-27 03:40:08');
INSERT INTO "trial_heartbeats" VALUES(9,15,'2026-11-27 03:40:08');
INSERT INTO "trial_heartbeats" VALUES(10,1,'2026-11-27 03:40:22');
INSERT INTO "trial_heartbeats" VALUES(11,2,'2026-11-27 03:40:24');
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_intermediate_values" VALUES(1,7,1,8.47222222222222209886e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(2,7,2,8.99305555555555580227e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(3,7,3,9.09722222222222209886e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(4,7,4,9.2708333333333337034e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(5,9,1,9.72222222222222237641e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(6,9,2,1.07638888888888895056e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(7,9,3,1.14583333333333328707e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(8,9,4,1.38888888888888895056e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(9,10,1,3.47222222222222237641e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(10,10,2,9.72222222222222237641e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(11,10,3,1.84027777777777790113e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(12,10,4,3.2291666666666668517e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(13,11,1,0.0763888888888889,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(14,11,2,6.59722222222222237641e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(15,11,3,9.02777777777777762358e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(16,11,4,1.04166666666666671292e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(17,12,1,8.33333333333333287074e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(18,13,1,9.72222222222222237641e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(19,13,2,1.97916666666666657414e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(20,13,3,3.47222222222222209886e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(21,13,4,5.24305555555555580227e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(22,14,1,8.3333333333333337034e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(23,14,2,9.02777777777777790113e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(24,14,3,9.20138888888888839545e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(25,14,4,0.9375,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(26,15,1,8.33333333333333287074e-02,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(27,1,1,1.38888888888888895056e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(28,1,2,1.52777777777777790113e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(29,2,1,1.38888888888888895056e-01,'FINITE');
INSERT INTO "trial_intermediate_values" VALUES(30,2,2,1.73611111111111104943e-01,'FINITE');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_params" VALUES(1,1,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", "elu"]}}');
INSERT INTO "trial_params" VALUES(2,1,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "rmsprop"]}}');
INSERT INTO "trial_params" VALUES(3,2,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", "elu"]}}');
INSERT INTO "trial_params" VALUES(4,2,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "rmsprop"]}}');
INSERT INTO "trial_params" VALUES(5,3,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", "elu"]}}');
INSERT INTO "trial_params" VALUES(6,3,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "rmsprop"]}}');
INSERT INTO "trial_params" VALUES(7,4,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", "elu"]}}');
INSERT INTO "trial_params" VALUES(8,4,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "rmsprop"]}}');
INSERT INTO "trial_params" VALUES(9,5,'activation',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", "elu"]}}');
INSERT INTO "trial_params" VALUES(10,5,'optimizer',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "rmsprop"]}}');
INSERT INTO "trial_params" VALUES(11,6,'activation',2.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh", "elu"]}}');
INSERT INTO "trial_params" VALUES(12,6,'optimizer',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["adam", "rmsprop"]}}');
INSERT INTO "trial_params" VALUES(13,7,'hidden_units',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(14,7,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(15,7,'learning_rate',1.43570641896940374981e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(16,7,'dropout',0.3,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(17,8,'hidden_units',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(18,8,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(19,8,'learning_rate',7.43498961937341510709e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(20,8,'dropout',3.50000000000000033306e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(21,9,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(22,9,'dropout',3.50000000000000033306e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(23,9,'hidden_units',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(24,9,'learning_rate',7.43498961937341510709e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(25,10,'hidden_units',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(26,10,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(27,10,'learning_rate',0.000897394443609234,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(28,10,'dropout',3.50000000000000033306e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(29,11,'hidden_units',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(30,11,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(31,11,'learning_rate',5.55281227833741481726e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(32,11,'dropout',3.50000000000000033306e-01,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(33,12,'hidden_units',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(34,12,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(35,12,'learning_rate',2.05900528427263823476e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(36,12,'dropout',0.05,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(37,13,'hidden_units',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(38,13,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(39,13,'learning_rate',1.9520698809577104963e-03,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(40,13,'dropout',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(41,14,'hidden_units',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(42,14,'activation',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(43,14,'learning_rate',1.7369232600766424529e-02,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(44,14,'dropout',0.1,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
INSERT INTO "trial_params" VALUES(45,15,'hidden_units',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["16", "32"]}}');
INSERT INTO "trial_params" VALUES(46,15,'activation',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["relu", "tanh"]}}');
INSERT INTO "trial_params" VALUES(47,15,'learning_rate',2.52249045658081878784e-04,'{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.1, "log": true}}');
INSERT INTO "trial_params" VALUES(48,15,'dropout',0.2,'{"name": "FloatDistribution", "attributes": {"step": 0.05, "low": 0.05, "high": 0.5, "log": false}}');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_system_attributes" VALUES(1,7,'artifacts:6bb4b6f7-f85d-48ae-9a5d-a545fe38989c','"{\"artifact_id\": \"6bb4b6f7-f85d-48ae-9a5d-a545fe38989c\", \"filename\": \"trial-0.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(2,9,'lost_attempts','0');
INSERT INTO "trial_system_attributes" VALUES(3,9,'failed_trial','1');
INSERT INTO "trial_system_attributes" VALUES(4,9,'retry_history','[1]');
INSERT INTO "trial_system_attributes" VALUES(5,9,'artifacts:4f577fae-f0d9-48c9-98ba-38c8a31af117','"{\"artifact_id\": \"4f577fae-f0d9-48c9-98ba-38c8a31af117\", \"filename\": \"trial-2.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(6,10,'artifacts:7581fe30-5464-4a6d-82fe-a2f18320ce69','"{\"artifact_id\": \"7581fe30-5464-4a6d-82fe-a2f18320ce69\", \"filename\": \"trial-3.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(7,11,'artifacts:45da9005-7398-411d-b152-eb9c55ee2fe9','"{\"artifact_id\": \"45da9005-7398-411d-b152-eb9c55ee2fe9\", \"filename\": \"trial-4.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(8,13,'artifacts:2c14a2dd-6f80-4d64-967c-075bdbfa6753','"{\"artifact_id\": \"2c14a2dd-6f80-4d64-967c-075bdbfa6753\", \"filename\": \"trial-6.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(9,14,'artifacts:9d19e5c6-5e5c-4e73-b100-c3f2c1b7f718','"{\"artifact_id\": \"9d19e5c6-5e5c-4e73-b100-c3f2c1b7f718\", \"filename\": \"trial-7.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(10,1,'artifacts:ceb4e5f8-732d-4b42-a6fc-c71852bd1f17','"{\"artifact_id\": \"ceb4e5f8-732d-4b42-a6fc-c71852bd1f17\", \"filename\": \"trial-0.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
INSERT INTO "trial_system_attributes" VALUES(11,2,'artifacts:4da30531-ed66-4d6a-86e3-90817d5a1b23','"{\"artifact_id\": \"4da30531-ed66-4d6a-86e3-90817d5a1b23\", \"filename\": \"trial-1.keras\", \"mimetype\": \"application/octet-stream\", \"encoding\": null}"');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_user_attributes" VALUES(1,1,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(2,2,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(3,3,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(4,4,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(5,5,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(6,6,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(7,7,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(8,7,'best_epoch','4');
INSERT INTO "trial_user_attributes" VALUES(9,7,'epochs','4');
INSERT INTO "trial_user_attributes" VALUES(10,7,'train_seconds','3.158');
INSERT INTO "trial_user_attributes" VALUES(11,7,'compiled','true');
INSERT INTO "trial_user_attributes" VALUES(12,7,'parameter_count','2410');
INSERT INTO "trial_user_attributes" VALUES(13,7,'history','{"accuracy": [0.3959965109825134, 0.8041775226593018, 0.8764142990112305, 0.9129678010940552], "loss": [1.9050966501235962, 0.9462237358093262, 0.5411525368690491, 0.36072930693626404], "val_loss": [1.1872317790985107, 0.5961704254150391, 0.38086414337158203, 0.2690470218658447], "val_accuracy": [0.8472222222222222, 0.8993055555555556, 0.9097222222222222, 0.9270833333333334]}');
INSERT INTO "trial_user_attributes" VALUES(14,7,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(15,7,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(16,7,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(17,7,'worker','"vm-15496-49e0"');
INSERT INTO "trial_user_attributes" VALUES(18,7,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(19,8,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(20,9,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(21,9,'retry_of','1');
INSERT INTO "trial_user_attributes" VALUES(22,8,'fail_reason','"its worker was told to stop"');
INSERT INTO "trial_user_attributes" VALUES(23,8,'retried_as','2');
INSERT INTO "trial_user_attributes" VALUES(24,9,'best_epoch','4');
INSERT INTO "trial_user_attributes" VALUES(25,9,'epochs','4');
INSERT INTO "trial_user_attributes" VALUES(26,9,'train_seconds','4.338');
INSERT INTO "trial_user_attributes" VALUES(27,9,'compiled','true');
INSERT INTO "trial_user_attributes" VALUES(28,9,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(29,9,'history','{"accuracy": [0.08703219890594482, 0.097476065158844, 0.10443864017724991, 0.12097476422786713], "loss": [2.53535795211792, 2.442704677581787, 2.364731550216675, 2.2977724075317383], "val_loss": [2.401700019836426, 2.3381950855255127, 2.2852869033813477, 2.2382500171661377], "val_accuracy": [0.09722222222222222, 0.1076388888888889, 0.11458333333333333, 0.1388888888888889]}');
INSERT INTO "trial_user_attributes" VALUES(30,9,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(31,9,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(32,9,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(33,9,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(34,9,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(35,10,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(36,10,'best_epoch','4');
INSERT INTO "trial_user_attributes" VALUES(37,10,'epochs','4');
INSERT INTO "trial_user_attributes" VALUES(38,10,'train_seconds','1.704');
INSERT INTO "trial_user_attributes" VALUES(39,10,'compiled','true');
INSERT INTO "trial_user_attributes" VALUES(40,10,'parameter_count','2410');
INSERT INTO "trial_user_attributes" VALUES(41,10,'history','{"accuracy": [0.0852915570139885, 0.10617928951978683, 0.1383811980485916, 0.19669277966022491], "loss": [2.5604681968688965, 2.374305248260498, 2.255918025970459, 2.146681070327759], "val_loss": [2.3753600120544434, 2.2486157417297363, 2.1419618129730225, 2.0434443950653076], "val_accuracy": [0.034722222222222224, 0.09722222222222222, 0.1840277777777778, 0.3229166666666667]}');
INSERT INTO "trial_user_attributes" VALUES(42,10,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(43,10,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(44,10,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(45,10,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(46,10,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(47,11,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(48,11,'best_epoch','4');
INSERT INTO "trial_user_attributes" VALUES(49,11,'epochs','4');
INSERT INTO "trial_user_attributes" VALUES(50,11,'train_seconds','0.045');
INSERT INTO "trial_user_attributes" VALUES(51,11,'compiled','false');
INSERT INTO "trial_user_attributes" VALUES(52,11,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(53,11,'history','{"accuracy": [0.07658834010362625, 0.09312445670366287, 0.097476065158844, 0.10530896484851837], "loss": [2.5331320762634277, 2.4625461101531982, 2.4086532592773438, 2.346813440322876], "val_loss": [2.4330523014068604, 2.376235008239746, 2.323296070098877, 2.2728326320648193], "val_accuracy": [0.0763888888888889, 0.06597222222222222, 0.09027777777777778, 0.10416666666666667]}');
INSERT INTO "trial_user_attributes" VALUES(54,11,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(55,11,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(56,11,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(57,11,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(58,11,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(59,12,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(60,12,'best_epoch','1');
INSERT INTO "trial_user_attributes" VALUES(61,12,'epochs','1');
INSERT INTO "trial_user_attributes" VALUES(62,12,'train_seconds','0.049');
INSERT INTO "trial_user_attributes" VALUES(63,12,'compiled','false');
INSERT INTO "trial_user_attributes" VALUES(64,12,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(65,12,'history','{"accuracy": [0.07484769076108932], "loss": [2.4819064140319824], "val_loss": [2.4600160121917725], "val_accuracy": [0.08333333333333333]}');
INSERT INTO "trial_user_attributes" VALUES(66,12,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(67,12,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(68,12,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(69,12,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(70,12,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(71,13,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(72,13,'best_epoch','4');
INSERT INTO "trial_user_attributes" VALUES(73,13,'epochs','4');
INSERT INTO "trial_user_attributes" VALUES(74,13,'train_seconds','0.068');
INSERT INTO "trial_user_attributes" VALUES(75,13,'compiled','false');
INSERT INTO "trial_user_attributes" VALUES(76,13,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(77,13,'history','{"accuracy": [0.08790252357721329, 0.14447344839572906, 0.24369016289710999, 0.389904260635376], "loss": [2.4314541816711426, 2.225628137588501, 2.0880863666534424, 1.9526560306549072], "val_loss": [2.2937190532684326, 2.1334471702575684, 1.9928762912750244, 1.862907886505127], "val_accuracy": [0.09722222222222222, 0.19791666666666666, 0.3472222222222222, 0.5243055555555556]}');
INSERT INTO "trial_user_attributes" VALUES(78,13,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(79,13,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(80,13,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(81,13,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(82,13,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(83,14,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(84,14,'best_epoch','4');
INSERT INTO "trial_user_attributes" VALUES(85,14,'epochs','4');
INSERT INTO "trial_user_attributes" VALUES(86,14,'train_seconds','0.103');
INSERT INTO "trial_user_attributes" VALUES(87,14,'compiled','false');
INSERT INTO "trial_user_attributes" VALUES(88,14,'parameter_count','2410');
INSERT INTO "trial_user_attributes" VALUES(89,14,'history','{"accuracy": [0.3890339434146881, 0.7824195027351379, 0.867711067199707, 0.8877284526824951], "loss": [1.9065639972686768, 0.9628927707672119, 0.5187525153160095, 0.36174440383911133], "val_loss": [1.2608702182769775, 0.5409976243972778, 0.35092586278915405, 0.27658990025520325], "val_accuracy": [0.8333333333333334, 0.9027777777777778, 0.9201388888888888, 0.9375]}');
INSERT INTO "trial_user_attributes" VALUES(90,14,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(91,14,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(92,14,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(93,14,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(94,14,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(95,15,'seed','0');
INSERT INTO "trial_user_attributes" VALUES(96,15,'best_epoch','1');
INSERT INTO "trial_user_attributes" VALUES(97,15,'epochs','1');
INSERT INTO "trial_user_attributes" VALUES(98,15,'train_seconds','0.137');
INSERT INTO "trial_user_attributes" VALUES(99,15,'compiled','false');
INSERT INTO "trial_user_attributes" VALUES(100,15,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(101,15,'history','{"accuracy": [0.07484769076108932], "loss": [2.5119235515594482], "val_loss": [2.465409517288208], "val_accuracy": [0.08333333333333333]}');
INSERT INTO "trial_user_attributes" VALUES(102,15,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(103,15,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(104,15,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(105,15,'worker','"vm-15672-2098"');
INSERT INTO "trial_user_attributes" VALUES(106,15,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(107,1,'best_epoch','2');
INSERT INTO "trial_user_attributes" VALUES(108,1,'epochs','2');
INSERT INTO "trial_user_attributes" VALUES(109,1,'train_seconds','6.755');
INSERT INTO "trial_user_attributes" VALUES(110,1,'compiled','true');
INSERT INTO "trial_user_attributes" VALUES(111,1,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(112,1,'history','{"accuracy": [0.07965970784425735, 0.11214230209589005], "loss": [2.4250121116638184, 2.313250780105591], "val_loss": [2.3591368198394775, 2.2657017707824707], "val_accuracy": [0.1388888888888889, 0.1527777777777778]}');
INSERT INTO "trial_user_attributes" VALUES(113,1,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(114,1,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(115,1,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(116,1,'worker','"vm-15784-622c"');
INSERT INTO "trial_user_attributes" VALUES(117,1,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
INSERT INTO "trial_user_attributes" VALUES(118,2,'best_epoch','2');
INSERT INTO "trial_user_attributes" VALUES(119,2,'epochs','2');
INSERT INTO "trial_user_attributes" VALUES(120,2,'train_seconds','4.051');
INSERT INTO "trial_user_attributes" VALUES(121,2,'compiled','true');
INSERT INTO "trial_user_attributes" VALUES(122,2,'parameter_count','1210');
INSERT INTO "trial_user_attributes" VALUES(123,2,'history','{"accuracy": [0.09203402698040009, 0.12993039190769196], "loss": [2.3782434463500977, 2.2448318004608154], "val_loss": [2.2940263748168945, 2.1987643241882324], "val_accuracy": [0.1388888888888889, 0.1736111111111111]}');
INSERT INTO "trial_user_attributes" VALUES(124,2,'backend','"jax"');
INSERT INTO "trial_user_attributes" VALUES(125,2,'device','"cpu"');
INSERT INTO "trial_user_attributes" VALUES(126,2,'data_sha256','"6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"');
INSERT INTO "trial_user_attributes" VALUES(127,2,'worker','"vm-15784-622c"');
INSERT INTO "trial_user_attributes" VALUES(128,2,'versions','{"hpo": "0.1.0", "keras": "3.15.1", "tensorflow": "2.21.0", "jax": "0.10.2", "optuna": "5.0.0", "numpy": "2.4.6", "pillow": "13.0.0"}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO "trial_values" VALUES(1,7,0,9.2708333333333337034e-01,'FINITE');
INSERT INTO "trial_values" VALUES(2,9,0,1.38888888888888895056e-01,'FINITE');
INSERT INTO "trial_values" VALUES(3,10,0,3.2291666666666668517e-01,'FINITE');
INSERT INTO "trial_values" VALUES(4,11,0,1.04166666666666671292e-01,'FINITE');
INSERT INTO "trial_values" VALUES(5,12,0,8.33333333333333287074e-02,'FINITE');
INSERT INTO "trial_values" VALUES(6,13,0,5.24305555555555580227e-01,'FINITE');
INSERT INTO "trial_values" VALUES(7,14,0,0.9375,'FINITE');
INSERT INTO "trial_values" VALUES(8,15,0,8.33333333333333287074e-02,'FINITE');
INSERT INTO "trial_values" VALUES(9,1,0,1.52777777777777790113e-01,'FINITE');
INSERT INTO "trial_values" VALUES(10,2,0,1.73611111111111104943e-01,'FINITE');
CREATE TABLE trials (
	trial_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO "trials" VALUES(1,0,2,'COMPLETE','2026-11-27 03:40:17.771044','2026-11-27 03:40:24.659073');
INSERT INTO "trials" VALUES(2,1,2,'COMPLETE','2026-11-27 03:40:24.675028','2026-11-27 03:40:28.798322');
INSERT INTO "trials" VALUES(3,2,2,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(4,3,2,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(5,4,2,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(6,5,2,'WAITING',NULL,NULL);
INSERT INTO "trials" VALUES(7,0,1,'COMPLETE','2026-11-27 03:39:47.192538','2026-11-27 03:39:50.636480');
INSERT INTO "trials" VALUES(8,1,1,'FAIL','2026-11-27 03:39:50.677007','2026-11-27 03:39:50.747475');
INSERT INTO "trials" VALUES(9,2,1,'COMPLETE','2026-11-27 03:40:00.970764','2026-11-27 03:40:05.623021');
INSERT INTO "trials" VALUES(10,3,1,'COMPLETE','2026-11-27 03:40:05.656897','2026-11-27 03:40:07.499358');
INSERT INTO "trials" VALUES(11,4,1,'COMPLETE','2026-11-27 03:40:07.514619','2026-11-27 03:40:07.796511');
INSERT INTO "trials" VALUES(12,5,1,'PRUNED','2026-11-27 03:40:07.806740','2026-11-27 03:40:07.881288');
INSERT INTO "trials" VALUES(13,6,1,'COMPLETE','2026-11-27 03:40:07.891696','2026-11-27 03:40:08.124550');
INSERT INTO "trials" VALUES(14,7,1,'COMPLETE','2026-11-27 03:40:08.153058','2026-11-27 03:40:08.441068');
INSERT INTO "trials" VALUES(15,8,1,'PRUNED','2026-11-27 03:40:08.472342','2026-11-27 03:40:08.661682');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO "version_info" VALUES(1,12,'5.0.0');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
CREATE INDEX hpo_trials_by_state ON trials (study_id, state, trial_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('studies',2);
INSERT INTO "sqlite_sequence" VALUES('trials',15);
COMMIT;
